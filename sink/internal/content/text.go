package content

import (
	"bytes"
	"fmt"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
)

// text makes of pieces what a file of them has before it is compressed.
type text struct {
	rows  *packRows
	buf   bytes.Buffer
	begun bool
	file  format.File // nil unless a join makes it
}

// add appends the piece that rows has gone to.
func (t *text) add() (err error) {
	r := t.rows
	if !t.begun {
		t.begun = true
		if r.join == nil {
			t.buf.Write(r.header)
		} else if t.file, err = r.join.Begin(&t.buf, r.header, groupBytes); err != nil {
			return t.failed(err)
		}
	}
	switch {
	case t.file == nil:
		t.buf.Write(r.text)
		return nil
	case r.block:
		return t.failed(t.file.Block(r.text, r.rows))
	}
	return t.failed(t.file.Rows(r.text, r.rows))
}

// end appends what stands behind the last row.
func (t *text) end() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return t.failed(err)
}

// len is about how long it is.
func (t *text) len() int64 {
	n := int64(t.buf.Len())
	if t.file != nil {
		n += t.file.Waiting()
	}
	return n
}

func (t *text) reset() {
	t.buf.Reset()
	t.begun, t.file = false, nil
}

func (t *text) failed(err error) error {
	if err == nil {
		return nil
	}
	return damaged(t.rows.pack, err)
}

// FormError is a pack whose rows this process cannot put together. It matches stream.ErrStop.
type FormError struct{ Key, What string }

func (e *FormError) Error() string {
	return fmt.Sprintf("sink: the pack %s has rows for %s: read the files of the sealed hour, or tell the reader the format (bykey.Options.Format, delivery.Options.Joins)", e.Key, e.What)
}

// Is reports whether target is stream.ErrStop.
func (e *FormError) Is(target error) bool { return target == driver.ErrStop }
