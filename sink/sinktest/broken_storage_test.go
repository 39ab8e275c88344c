package sinktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/sink/sinktest/example"
)

// stagedTellsParts counts in parts.
type stagedTellsParts struct{ *sinktest.Memory }

func (s stagedTellsParts) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return stagings(s.Memory.Staged(ctx), func(_ int, st *storage.Staging) bool {
		st.Bytes = (st.Bytes + 1<<20 - 1) &^ (1<<20 - 1)
		return true
	})
}

// stagedTellsOpen tells what it has set aside.
type stagedTellsOpen struct{ *sinktest.Memory }

func (s stagedTellsOpen) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return changed{Upload: up, write: func(p []byte) (int, error) {
		if len(p) == 5 {
			p = append(bytes.Clone(p), 0)
			_, err := up.Write(p)
			return 5, err
		}
		return up.Write(p)
	}}, err
}

type readsAfterClose struct{ *sinktest.Memory }

func (s readsAfterClose) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	b, err := s.Read(ctx, key, 1<<30)
	return io.NopCloser(bytes.NewReader(b)), err
}

// reader is a stream with a Read of its own.
type reader struct {
	io.Closer
	read func([]byte) (int, error)
}

func (r reader) Read(p []byte) (int, error) { return r.read(p) }

type closedIsEnd struct{ *sinktest.Memory }

func (s closedIsEnd) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Memory.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return reader{r, func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err != nil {
			err = io.EOF
		}
		return n, err
	}}, nil
}

// cutStreamsEnd looks at what is there at each Read.
type cutStreamsEnd struct{ *sinktest.Memory }

func (s cutStreamsEnd) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Memory.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	at := 0
	return reader{r, func(p []byte) (int, error) {
		body, err := s.Read(ctx, key, 1<<30)
		n := copy(p, body[min(at, len(body)):])
		if at += n; n == 0 && err == nil {
			err = io.EOF
		}
		return n, err
	}}, nil
}

type listFailsAtNames struct{ *sinktest.Memory }

func (s listFailsAtNames) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for o, err := range s.Memory.List(ctx, prefix, after) {
			if err = errors.Join(err, storage.CheckKey(o.Key)); !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// discardHides strikes a file off the list.
type discardHides struct {
	*sinktest.Memory
	hidden sync.Map // of IDs
}

func (s *discardHides) Discard(ctx context.Context, st storage.Staging) error {
	s.hidden.Store(st.ID, true)
	return ctx.Err()
}

func (s *discardHides) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Memory.Staged(ctx) {
			if _, ok := s.hidden.Load(st.ID); !ok && !yield(st, err) {
				return
			}
		}
	}
}

type abortHides struct{ discardHides }

func (s *abortHides) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return changed{Upload: up, abort: func(ctx context.Context) error {
		for st, err := range s.Memory.Staged(ctx) {
			if st.Key == key && err == nil {
				return s.discardHides.Discard(ctx, st)
			}
		}
		return nil
	}}, err
}

func (s *abortHides) Discard(ctx context.Context, st storage.Staging) error {
	return s.Memory.Discard(ctx, st)
}

// loadsObjects reads an object before it gives the first byte.
type loadsObjects struct{ *example.Store }

func (s loadsObjects) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	b, err := s.Read(ctx, key, 1<<30)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(b), io.NopCloser(nil)}, nil
}

// gathersNothing has it all in memory.
type gathersNothing struct{ *example.Store }

type saysNothing struct{ storage.Upload }

func (saysNothing) Gathered() int64 { return 0 }

func (s gathersNothing) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Store.Stage(ctx, key, owner, most)
	return saysNothing{up}, err
}

// gathersSilently says it to nobody.
type gathersSilently struct{ *example.Store }

func (s gathersSilently) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Store.Stage(ctx, key, owner, most)
	return changed{Upload: up}, err
}

// failing is a store whose server is away.
type failing struct{ *sinktest.Memory }

func (failing) Create(context.Context, string, []byte) error {
	return fmt.Errorf("dial tcp 127.0.0.1:%d: connect: connection refused, which is said here in so many words that nobody wants to read it twice", time.Now().UnixNano()%50000)
}
