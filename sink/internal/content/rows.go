package content

import (
	"fmt"
	"io"
	"iter"
)

// Rows yields the rows that a text has, by a reader of its format, and compares their number with what is said of them. key is
// of the object that has them, for errors. After an error it ends. It closes text.
func Rows[T any](key string, rows int64, text io.ReadCloser, read func(io.Reader) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer text.Close()
		var none T
		n := int64(0)
		for v, err := range read(text) {
			n++
			if err != nil {
				yield(none, fmt.Errorf("row %d of %s: %w", n, key, err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if n != rows {
			yield(none, fmt.Errorf("row %d of %s: it is the last one, and the manifest says that there are %d", n, key, rows))
		}
	}
}
