package sinktest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

type createOverwrites struct{ *sinktest.Memory }

func (s createOverwrites) Create(_ context.Context, key string, body []byte) error {
	s.Overwrite(key, body)
	return nil
}

type createRaces struct {
	*sinktest.Memory
	mu      sync.Mutex
	waiting map[string]chan struct{}
}

func (s *createRaces) Create(ctx context.Context, key string, body []byte) error {
	_, err := s.Read(ctx, key, 1<<30)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(key, "createisexclusive-") {
		return s.Memory.Create(ctx, key, body)
	}
	s.mu.Lock()
	second, ok := s.waiting[key]
	if !ok {
		second = make(chan struct{})
		if s.waiting == nil {
			s.waiting = map[string]chan struct{}{}
		}
		s.waiting[key] = second
		s.mu.Unlock()
		<-second // between looking and writing
	} else {
		select {
		case <-second: // a third
		default:
			close(second)
		}
		s.mu.Unlock()
	}
	s.Overwrite(key, body)
	return nil
}

// createGrows shows half of its first object until somebody has seen it: on one core a reader once never came in between.
type createGrows struct {
	*sinktest.Memory
	grown atomic.Bool
	seen  chan struct{}
}

func (s *createGrows) Create(ctx context.Context, key string, body []byte) error {
	if s.grown.Swap(true) {
		return s.Memory.Create(ctx, key, body)
	}
	if err := s.Memory.Create(ctx, key, body[:len(body)/2]); err != nil {
		return err
	}
	<-s.seen
	s.Overwrite(key, body)
	return nil
}

func (s *createGrows) see() {
	select {
	case s.seen <- struct{}{}:
	default:
	}
}

func (s *createGrows) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	body, err := s.Memory.Read(ctx, key, limit)
	if err == nil {
		s.see()
	}
	return body, err
}

func (s *createGrows) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		if len(all) > 0 {
			s.see()
		}
		return all
	})
}

type createTakesTheSame struct{ *sinktest.Memory }

func (s createTakesTheSame) Create(ctx context.Context, key string, body []byte) error {
	err := s.Memory.Create(ctx, key, body)
	if old, _ := s.Read(ctx, key, 1<<30); errors.Is(err, fs.ErrExist) && bytes.Equal(old, body) {
		return nil
	}
	return err
}

type createTakesAnyKey struct{ *sinktest.Memory }

func (s createTakesAnyKey) Create(ctx context.Context, key string, body []byte) error {
	if storage.CheckKey(key) != nil {
		s.Overwrite(key, body)
		return nil //nolint:nilerr // that is what is wrong with it
	}
	return s.Memory.Create(ctx, key, body)
}

type createIgnoresCase struct{ *sinktest.Memory }

func (s createIgnoresCase) Create(ctx context.Context, key string, body []byte) error {
	return s.Memory.Create(ctx, strings.ToLower(key), body)
}

type createIgnoresContext struct{ *sinktest.Memory }

func (s createIgnoresContext) Create(ctx context.Context, key string, body []byte) error {
	return s.Memory.Create(context.WithoutCancel(ctx), key, body)
}

type readShares struct {
	*sinktest.Memory
	bodies sync.Map
}

func (s *readShares) Create(ctx context.Context, key string, body []byte) error {
	err := s.Memory.Create(ctx, key, body)
	if err == nil {
		s.bodies.Store(key, bytes.Clone(body))
	}
	return err
}

func (s *readShares) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	if body, ok := s.bodies.Load(key); ok {
		return body.([]byte), nil
	}
	return s.Memory.Read(ctx, key, limit)
}

type readHasNoLimit struct{ *sinktest.Memory }

func (s readHasNoLimit) Read(ctx context.Context, key string, _ int64) ([]byte, error) {
	return s.Memory.Read(ctx, key, 1<<40)
}

type readOfNothing struct{ *sinktest.Memory }

func (s readOfNothing) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := s.Memory.Read(ctx, key, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

type openFailsOtherwise struct{ *sinktest.Memory }

func (s openFailsOtherwise) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Memory.Open(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("not a directory")
	}
	return r, err
}

// listed changes listings.
func listed(seq iter.Seq2[storage.Object, error], change func([]storage.Object) []storage.Object) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		var all []storage.Object
		for o, err := range seq {
			if err != nil {
				yield(o, err)
				return
			}
			all = append(all, o)
		}
		for _, o := range change(all) {
			if !yield(o, nil) {
				return
			}
		}
	}
}

type listByFolders struct{ *sinktest.Memory }

func (s listByFolders) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		slices.SortFunc(all, func(a, b storage.Object) int {
			return slices.Compare(strings.Split(a.Key, "/"), strings.Split(b.Key, "/"))
		})
		return all
	})
}

type listOnePage struct{ *sinktest.Memory }

func (s listOnePage) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object { return all[:min(len(all), page)] })
}

type listFromAfter struct{ *sinktest.Memory }

func (s listFromAfter) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, ""), func(all []storage.Object) []storage.Object {
		return slices.DeleteFunc(all, func(o storage.Object) bool { return o.Key < after })
	})
}

type listShowsStaging struct{ *sinktest.Memory }

func (s listShowsStaging) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		for st := range s.Staged(ctx) {
			if strings.HasPrefix(st.Key, prefix) {
				all = append(all, storage.Object{Key: st.Key, Size: st.Bytes})
			}
		}
		return all
	})
}

type listIsBehind struct{ *sinktest.Memory }

func (s listIsBehind) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object { return all[:max(len(all)-1, 0)] })
}

type createTrimsDots struct{ *sinktest.Memory }

func (s createTrimsDots) Create(ctx context.Context, key string, body []byte) error {
	segments := strings.Split(key, "/")
	for i, seg := range segments {
		segments[i] = strings.TrimRight(seg, ".")
		if segments[i] == "" {
			segments[i] = seg
		}
	}
	return s.Memory.Create(ctx, strings.Join(segments, "/"), body)
}

type listRepeats struct{ *sinktest.Memory }

func (s listRepeats) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		if len(all) > page {
			all = slices.Insert(all, page, all[page-1])
		}
		return all
	})
}

type listSkips struct{ *sinktest.Memory }

func (s listSkips) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		if len(all) > page {
			all = slices.Delete(all, page, page+1)
		}
		return all
	})
}

// listPagesOnce forgets to ask for the next page if it did not begin at the beginning.
type listPagesOnce struct{ *sinktest.Memory }

func (s listPagesOnce) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		if after != "" {
			all = all[:min(len(all), page)]
		}
		return all
	})
}

type listHangs struct{ *sinktest.Memory }

func (s listHangs) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for o, err := range s.Memory.List(ctx, prefix, after) {
			if !yield(o, err) {
				return
			}
		}
		<-ctx.Done()
	}
}

type listHasNames struct{ *sinktest.Memory }

func (s listHasNames) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return listed(s.Memory.List(ctx, prefix, after), func(all []storage.Object) []storage.Object {
		for st := range s.Staged(ctx) {
			if name := "_staging/" + st.ID; strings.HasPrefix(name, prefix) && name > after {
				all = append(all, storage.Object{Key: name, Size: st.Bytes})
			}
		}
		return all
	})
}

type deadlineIsCanceled struct{ *sinktest.Memory }

func (s deadlineIsCanceled) Create(ctx context.Context, key string, body []byte) error {
	if ctx.Err() != nil {
		return context.Canceled
	}
	return s.Memory.Create(ctx, key, body)
}
