package wire

import (
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// newest and oldest Fetch spoken here.
	newest = 13
	oldest = 12

	// maxResponse bounds the memory that a wrong size can take, such as that of a TLS alert read as one.
	maxResponse = 256 << 20

	// step is how much of a buffer is allocated before the bytes for it have arrived.
	step = 4 << 20
)

// Conn sends Fetch requests on a connection and reads the answers, in order. Send may be called while answers are
// outstanding. One goroutine at a time may use it; only Close may be called at any time, and it ends all calls.
type Conn struct {
	c       net.Conn
	client  string
	timeout time.Duration
	version int16
	sent    int32 // correlation of the last request
	got     int32 // of the last answer
	out     []byte
}

// New takes over c, on which nothing may be outstanding, and asks which version of Fetch the broker has. timeout bounds
// each answer, counted from the end of the wait that the request allows.
func New(c net.Conn, client string, timeout time.Duration) (*Conn, error) {
	w := &Conn{c: c, client: client, timeout: timeout, sent: 1 << 20, got: 1 << 20}
	if err := w.negotiate(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Conn) negotiate() error {
	w.sent++
	b := header([]byte{0, 0, 0, 0}, keyAPIVersions, 0, w.sent, w.client)
	b[3] = byte(len(b) - 4)
	b[2] = byte((len(b) - 4) >> 8)
	if err := w.write(b); err != nil {
		return err
	}
	body, err := w.receive(w.timeout, nil)
	if err != nil {
		return err
	}
	v, err := versions(body[4:])
	if err != nil {
		return err
	}
	if v < oldest {
		return fmt.Errorf("broker %s has Fetch up to v%d, v%d is needed (Kafka 2.8)", w.c.RemoteAddr(), v, oldest)
	}
	w.version = min(v, newest)
	return nil
}

// Version is the version of Fetch in use.
func (w *Conn) Version() int16 { return w.version }

// ByID reports whether topics are named by ID.
func (w *Conn) ByID() bool { return w.version >= 13 }

// Send sends a request. After an error the connection is of no use.
func (w *Conn) Send(q *Request) error {
	w.sent++
	w.out = q.append(w.out[:0], w.version, w.sent, w.client)
	return w.write(w.out)
}

// Receive reads the next answer into r. wait is the MaxWait of its request. The answer lies in buf if that is large enough,
// else in a new buffer, which is returned. After an error the connection is of no use.
func (w *Conn) Receive(wait time.Duration, r *Response, buf []byte) ([]byte, error) {
	b, err := w.receive(wait+w.timeout, buf)
	if err != nil {
		return b, err
	}
	return b, r.parse(b[4:], w.version)
}

// Close closes the connection.
func (w *Conn) Close() error { return w.c.Close() }

func (w *Conn) write(b []byte) error {
	if err := w.c.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	_, err := w.c.Write(b)
	return err
}

// receive reads the next answer, whose body begins after the first 4 bytes of the result.
func (w *Conn) receive(timeout time.Duration, buf []byte) ([]byte, error) {
	if err := w.c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return buf, err
	}
	var h [4]byte
	if _, err := io.ReadFull(w.c, h[:]); err != nil {
		return buf, err
	}
	n := size(h)
	if n < 4 || n > maxResponse {
		return buf, fmt.Errorf("%w: %d bytes", ErrMalformed, n)
	}
	buf = buf[:0]
	for len(buf) < n {
		if cap(buf) == len(buf) {
			bigger := make([]byte, len(buf), min(n, max(2*len(buf), step)))
			copy(bigger, buf)
			buf = bigger
		}
		part := buf[len(buf):min(n, cap(buf))]
		if _, err := io.ReadFull(w.c, part); err != nil {
			return buf, err
		}
		buf = buf[:len(buf)+len(part)]
	}
	c := cursor{b: buf}
	w.got++
	if id := c.int32(); id != w.got {
		return buf, fmt.Errorf("%w: answer %d to request %d", ErrMalformed, id, w.got)
	}
	return buf, nil
}
