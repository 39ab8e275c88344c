package delivery

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/onceflow/onceflow/sink/internal/content"
)

// Reader reads the rows of a file back, from its text, that is to say from what it held before compression. A row that it cannot read ends
// it with an error that matches ErrRefused: the rows are to blame. Any other error is one of r.
type Reader[T any] func(r io.Reader) iter.Seq2[T, error]

// Row is a row of a unit, and where it stands.
type Row[T any] struct {
	Value T
	Key   string // of the file or pack
	N     int64  // the number of the row in it, from 1; in a pack those of all keys count
}

// Rows yields the rows of one flow of a unit, those of files and then those of packs, in an order that is always the same. After an
// error it ends.
func Rows[T any](ctx context.Context, u *Unit, flow string, read Reader[T]) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		for i := range u.Files {
			f := &u.Files[i]
			if f.Flow != flow {
				continue
			}
			text, err := u.Text(ctx, f)
			if !rowsOf(f.Key, f.Rows, text, err, read, yield) {
				return
			}
		}
		for i := range u.Packs {
			p := &u.Packs[i]
			if p.Flow != flow {
				continue
			}
			text, err := u.Unpack(ctx, p)
			if !rowsOf(p.Key, p.Rows, text, err, read, yield) {
				return
			}
		}
	}
}

// rowsOf yields the rows of an object, whose text was opened with err, and reports whether to go on.
func rowsOf[T any](key string, rows int64, text io.ReadCloser, err error, read Reader[T], yield func(Row[T], error) bool) bool {
	if err != nil {
		yield(Row[T]{Key: key}, fmt.Errorf("delivery: %w", err))
		return false
	}
	n := int64(0)
	for v, err := range content.Rows(key, rows, text, read) {
		n++
		if err != nil {
			yield(Row[T]{Key: key, N: n}, fmt.Errorf("delivery: %w", err))
			return false
		}
		if !yield(Row[T]{v, key, n}, nil) {
			return false
		}
	}
	return true
}

// JSONLines reads what format.JSONLines writes, by the rules of encoding/json. Fields that T does not have are left out.
func JSONLines[T any]() Reader[T] {
	return Lines(func(line []byte) (v T, err error) {
		err = json.Unmarshal(line, &v)
		return v, err
	})
}

// Lines reads a row from each line. row gets the line without its end, must not keep it, and refuses the row by an error.
func Lines[T any](row func(line []byte) (T, error)) Reader[T] {
	return func(r io.Reader) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			var none T
			for line, err := range lines(buffered(r)) {
				if err != nil {
					yield(none, err)
					return
				}
				v, err := row(line)
				if err != nil {
					yield(none, Refuse(err))
					return
				}
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// buffered is r with a buffer that is not larger than what there is to read, if r tells: a pack may have a few rows of each of many keys.
func buffered(r io.Reader) *bufio.Reader {
	size := 64 << 10
	if l, ok := r.(interface{ Len() int }); ok {
		size = min(size, l.Len())
	}
	return bufio.NewReaderSize(r, size)
}

// lines yields the lines of b without their ends. They are valid until the next one.
func lines(b *bufio.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var long []byte
		for {
			line, err := b.ReadSlice('\n')
			if errors.Is(err, bufio.ErrBufferFull) {
				long = append(long, line...)
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(nil, err)
				return
			}
			if len(long) > 0 {
				long = append(long, line...)
				line = long
			}
			if n := len(line); n > 0 && line[n-1] == '\n' {
				line = line[:n-1]
			} else if n == 0 {
				return // the end
			}
			if !yield(line, nil) || err != nil {
				return
			}
			long = long[:0]
		}
	}
}
