package retry

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// Requests is how a store repeats its requests.
type Requests struct {
	Attempts int
	Timeout  time.Duration // of one attempt, beside what its body needs at 256 KiB/s

	// Passing reports whether the same request may succeed later. It is not asked after the last attempt.
	Passing func(error) bool
}

// Do calls f until it succeeds, its error is final, or all attempts are used. Each attempt has its own deadline, with time for
// a body of that many bytes: a connection whose other end is gone is otherwise waited for until the caller's context ends.
func (r Requests) Do(ctx context.Context, bytes int, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return Loop{
		First: 100 * time.Millisecond, Most: 5 * time.Second, Attempt: r.Patience(bytes),
		Again: func(n int, err error) bool { return n < r.Attempts && r.Passing(err) },
	}.Do(ctx, f)
}

// ForUploads is r for the requests that stage a file. Nobody else makes them again: after an error the file is thrown away, and
// with it all that its transaction has read. So they get four more attempts. With the default of five the pauses add up to at
// least eight seconds, as long as a server needs to start again. With five attempts in a second and a half, a blip of two
// seconds cost each process a minute's work.
func (r Requests) ForUploads() Requests {
	r.Attempts += 4
	return r
}

// Patience is how long one attempt may take.
func (r Requests) Patience(bytes int) time.Duration {
	return r.Timeout + time.Duration(bytes)*time.Second/(256<<10)
}

// Network reports whether err is of a connection or a deadline: the next attempt may do better. A name that does not exist
// is final.
func Network(err error) bool {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
