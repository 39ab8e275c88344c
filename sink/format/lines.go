package format

import (
	"bytes"
	"errors"

	"github.com/onceflow/onceflow/stream/record"
)

// Lines writes each row as what line appends to dst, and a newline. ext is the extension of the files, with its dot. An
// error of line sends the row to the dead-letter flow, and so does a newline in what it appended, since readers would see
// two rows. Bytes that are not UTF-8 stay as they are, see UTF8. line must not keep dst or row, and is called by several
// goroutines at once.
func Lines[T any](ext string, line func(dst []byte, row *T) ([]byte, error)) Format[T] {
	return lines[T]{ext, line}
}

// Raw writes the value of each record as it is, and a newline: for pipes without a Decode, and for values that are text.
// ext is the extension of the files, with its dot. A value that holds a newline, or a record without a value, is an error.
// Keys and headers are not written. Bytes that are not UTF-8 stay as they are, see UTF8.
func Raw(ext string) Format[record.Record] {
	return Lines(ext, func(dst []byte, r *record.Record) ([]byte, error) {
		if r.Value == nil {
			return dst, errNoValue
		}
		return append(dst, r.Value...), nil
	})
}

type lines[T any] struct {
	ext  string
	line func(dst []byte, row *T) ([]byte, error)
}

var (
	errNewline = errors.New("row holds a newline")
	errShorter = errors.New("the row function returned less than it was given; it must append to dst")
	errNoValue = errors.New("record has no value")
)

// Check tells that there is no function.
func (l lines[T]) Check() error {
	if l.line == nil {
		return errors.New("the function of Lines is nil")
	}
	return nil
}

func (l lines[T]) Ext() string              { return l.ext }
func (l lines[T]) Open() Encoder[T]         { return l }
func (l lines[T]) Header(dst []byte) []byte { return dst }

func (l lines[T]) Encode(dst []byte, row *T) ([]byte, error) {
	n := len(dst)
	dst, err := l.line(dst, row)
	switch {
	case err != nil:
		return dst, err
	case len(dst) < n:
		return dst, errShorter
	case bytes.IndexByte(dst[n:], '\n') >= 0:
		return dst, errNewline
	}
	return append(dst, '\n'), nil
}
