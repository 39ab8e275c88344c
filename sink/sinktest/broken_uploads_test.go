package sinktest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

type publishHangs struct{ *sinktest.Memory }

func (s publishHangs) Publish(ctx context.Context, _ []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

// publishOverFirst takes an object that had the key before the upload began for its own.
type publishOverFirst struct {
	*sinktest.Memory
	first sync.Map // keys
}

func (s *publishOverFirst) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	if _, err := s.Read(ctx, key, 1<<30); err == nil {
		s.first.Store(key, true)
	}
	return s.Memory.Stage(ctx, key, owner, most)
}

func (s *publishOverFirst) Publish(ctx context.Context, ref []byte) error {
	key, _ := parts(ref)
	if _, ok := s.first.Load(key); ok {
		s.Lose(key)
	}
	return s.Memory.Publish(ctx, ref)
}

// publishRaces gives a rival time between looking and writing.
type publishRaces struct{ *sinktest.Memory }

func (s publishRaces) Publish(ctx context.Context, ref []byte) error {
	key, _ := parts(ref)
	if _, err := s.Read(ctx, key, 1<<30); !errors.Is(err, fs.ErrNotExist) {
		return s.Memory.Publish(ctx, ref)
	}
	for range 1 << 16 {
		if _, err := s.Read(ctx, key, 1<<30); err == nil {
			s.Lose(key)
			break
		}
		runtime.Gosched()
	}
	return s.Memory.Publish(ctx, ref)
}

// stagings changes what Staged yields.
func stagings(seq iter.Seq2[storage.Staging, error], change func(n int, st *storage.Staging) bool) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		n := 0
		for st, err := range seq {
			if !change(n, &st) || !yield(st, err) {
				return
			}
			n++
		}
	}
}

type stagedHasPage struct{ *sinktest.Memory }

func (s stagedHasPage) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return stagings(s.Memory.Staged(ctx), func(n int, _ *storage.Staging) bool { return n < page })
}

type stagedHasNoIDs struct{ *sinktest.Memory }

func (s stagedHasNoIDs) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return stagings(s.Memory.Staged(ctx), func(_ int, st *storage.Staging) bool {
		st.ID = st.Owner
		return true
	})
}

// shows is an object that is seen for a moment: until somebody has, or for a while.
type shows struct {
	*sinktest.Memory
	seen atomic.Bool
}

func (s *shows) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := s.Memory.Read(ctx, key, limit)
	if err == nil {
		s.seen.Store(true)
	}
	return b, err
}

func (s *shows) show(key string) {
	s.Overwrite(key, []byte("x"))
	for range 1 << 20 {
		if s.seen.Load() {
			break
		}
		runtime.Gosched()
	}
	s.Lose(key)
}

type discardShows struct{ shows }

func (s *discardShows) Discard(ctx context.Context, st storage.Staging) error {
	if _, err := s.Memory.Read(ctx, st.Key, 1<<30); errors.Is(err, fs.ErrNotExist) {
		s.show(st.Key)
	}
	return s.Memory.Discard(ctx, st)
}

type abortShows struct{ shows }

func (s *abortShows) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return changed{Upload: up, abort: func(ctx context.Context) error {
		s.show(key)
		return up.Abort(ctx)
	}}, err
}

// changed is an upload with other methods, where they are set.
type changed struct {
	storage.Upload
	write func([]byte) (int, error)
	close func(context.Context) ([]byte, error)
	abort func(context.Context) error
}

func (u changed) Write(p []byte) (int, error) {
	if u.write != nil {
		return u.write(p)
	}
	return u.Upload.Write(p)
}

func (u changed) Close(ctx context.Context) ([]byte, error) {
	if u.close != nil {
		return u.close(ctx)
	}
	return u.Upload.Close(ctx)
}

func (u changed) Abort(ctx context.Context) error {
	if u.abort != nil {
		return u.abort(ctx)
	}
	return u.Upload.Abort(ctx)
}

type abortDeletes struct{ *sinktest.Memory }

func (s abortDeletes) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return changed{Upload: up, abort: func(ctx context.Context) error {
		s.Lose(key)
		return up.Abort(ctx)
	}}, err
}

// writesUpToHint cuts a file at the size that the caller meant to end it at.
type writesUpToHint struct{ *sinktest.Memory }

func (s writesUpToHint) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return changed{Upload: up, write: func(p []byte) (int, error) {
		if most == 0 {
			return up.Write(p)
		}
		fits := min(int64(len(p)), most)
		most = max(most-fits, 1)
		_, err := up.Write(p[:fits])
		return len(p), err
	}}, err
}

type writeAfterClose struct{ *sinktest.Memory }

func (s writeAfterClose) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	closed := false
	return changed{Upload: up,
		write: func(p []byte) (int, error) {
			if closed {
				return len(p), nil
			}
			return up.Write(p)
		},
		close: func(ctx context.Context) ([]byte, error) {
			closed = true
			return up.Close(ctx)
		},
	}, err
}

type closeAgain struct{ *sinktest.Memory }

func (s closeAgain) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	var ref []byte
	return changed{Upload: up, close: func(ctx context.Context) ([]byte, error) {
		if ref != nil {
			return ref, nil
		}
		var err error
		ref, err = up.Close(ctx)
		return ref, err
	}}, err
}

// sharedParts numbers the parts of a key, not of an upload: what one wrote last is what all have.
type sharedParts struct {
	*sinktest.Memory
	mu    sync.Mutex
	parts map[string][][]byte // by key
}

func (s *sharedParts) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	n := 0
	return changed{Upload: up,
		write: func(p []byte) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.parts == nil {
				s.parts = map[string][][]byte{}
			}
			s.parts[key] = append(s.parts[key][:min(n, len(s.parts[key])):n], bytes.Clone(p))
			n++
			return len(p), nil
		},
		close: func(ctx context.Context) ([]byte, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, p := range s.parts[key] {
				if _, err := up.Write(p); err != nil {
					return nil, err
				}
			}
			return up.Close(ctx)
		},
	}, err
}

type discardByKey struct{ *sinktest.Memory }

func (s discardByKey) Discard(ctx context.Context, st storage.Staging) error {
	for other := range s.Staged(ctx) {
		if other.Key == st.Key {
			if err := s.Memory.Discard(ctx, other); err != nil {
				return err
			}
		}
	}
	return s.Memory.Discard(ctx, st)
}
