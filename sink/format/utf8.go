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

func (u utf8Format[T]) Open() Encoder[T] { return &utf8Encoder[T]{Encoder: u.Format.Open()} }

type utf8Encoder[T any] struct {
	Encoder[T]
	scratch []byte
}

func (u *utf8Encoder[T]) Encode(dst []byte, row *T) ([]byte, error) {
	start := len(dst)
	dst, err := u.Encoder.Encode(dst, row)
	if err != nil || len(dst) < start || utf8.Valid(dst[start:]) {
		return dst, err
	}
	u.scratch = append(u.scratch[:0], dst[start:]...)
	return appendValid(dst[:start], u.scratch), nil
}

// appendValid appends s with U+FFFD in place of each byte that is not UTF-8.
func appendValid[S string | []byte](dst []byte, s S) []byte {
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = runeAt(s, i)
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

func valid[S string | []byte](s S) bool {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := runeAt(s, i)
		if r == utf8.RuneError && n == 1 {
			return false
		}
		i += n
	}
	return true
}

func runeAt[S string | []byte](s S, i int) (rune, int) {
	return utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)])) // so short that it stays on the stack
}
