package file

import (
	"errors"
	"io"
)

// stream is an object that is read. A file that got shorter meanwhile, as on a disk that breaks, is no object that has ended.
type stream struct {
	handle
	left int64
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.handle.Read(p)
	if s.left -= int64(n); errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
