package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Stream calls f, which must return within limit, with a context that lasts until what it returned is closed: for an answer
// whose body is read later.
func Stream(ctx context.Context, limit time.Duration, f func(context.Context) (io.ReadCloser, error)) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	body, err := f(ctx)
	if !t.Stop() && err == nil {
		err = errors.Join(context.DeadlineExceeded, body.Close())
	}
	if err == nil {
		return &stream{body, cancel}, nil
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", limit, context.DeadlineExceeded)
	}
	cancel(nil)
	return nil, err
}

// stream is an answer's body, and what its request holds.
type stream struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (s *stream) Close() error {
	defer s.cancel(nil)
	return s.ReadCloser.Close()
}
