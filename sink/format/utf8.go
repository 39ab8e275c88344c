package format

import (
	"errors"
	"unicode/utf8"
)

// UTF8 is f with U+FFFD in place of each byte that is not UTF-8: for [Lines] and [Raw], which write bytes as they are, and
// for readers that refuse a whole file for one such byte, as PostgreSQL does. JSON lines, CSV and TSV always do this.
func UTF8[T any](f Format[T]) Format[T] { return utf8Format[T]{f} }

type utf8Format[T any] struct{ Format[T] }

// Check tells what is wrong with the format inside.
func (u utf8Format[T]) Check() error {
	if u.Format == nil {
		return errors.New("the format of UTF8 is nil")
	}
	if c, ok := u.Format.(Checker); ok {
		if err := c.Check(); err != nil {
			return err
		}
	}
	if _, ok := u.Format.Open().(Blocker); ok {
		return errors.New("UTF8 is for formats of text, and the one inside is not")
	}
	return nil
}

func (u utf8Format[T]) Open() Encoder[T] { return utf8Encoder[T]{u.Format.Open()} }

type utf8Encoder[T any] struct{ Encoder[T] }

func (u utf8Encoder[T]) Encode(dst []byte, row *T) ([]byte, error) {
	start := len(dst)
	dst, err := u.Encoder.Encode(dst, row)
	if err != nil || len(dst) < start || utf8.Valid(dst[start:]) {
		return dst, err
	}
	return append(dst[:start], replaced(string(dst[start:]))...), nil
}

// replaced is s with U+FFFD in place of each byte that is not UTF-8.
func replaced(s string) string { return string([]rune(s)) }
