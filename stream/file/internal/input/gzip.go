package input

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// errGarbage says that something else follows the compressed data.
var errGarbage = errors.New("what follows its last member is not gzip")

// members reads the members of a gzip file one after the other, and zeros behind the last one, with which tapes and tar pad
// files.
type members struct {
	z   *gzip.Reader
	raw *counter
	end error
}

func (m *members) Reset(raw *counter) error {
	m.raw, m.end = raw, nil
	return m.next()
}

// next begins the member that comes next.
func (m *members) next() error {
	err := m.z.Reset(m.raw)
	m.z.Multistream(false)
	return err
}

func (m *members) Read(p []byte) (int, error) {
	for m.end == nil {
		n, err := m.z.Read(p)
		switch {
		case errors.Is(err, io.EOF):
			m.end = m.follow()
		case err != nil:
			m.end = err
		}
		if n > 0 || len(p) == 0 {
			return n, nil // what has ended it comes with the next call
		}
	}
	return 0, m.end
}

// follow looks at what comes behind a member.
func (m *members) follow() error {
	b, err := m.raw.Peek(2)
	switch {
	case len(b) == 0:
		return err // mostly io.EOF
	case b[0] != 0 && (b[0] != 0x1f || len(b) > 1 && b[1] != 0x8b):
		return errGarbage
	case b[0] != 0:
		return m.next()
	}
	for {
		switch c, err := m.raw.ReadByte(); {
		case err != nil:
			return err
		case c != 0:
			return fmt.Errorf("%w: zeros and then more", errGarbage)
		}
	}
}
