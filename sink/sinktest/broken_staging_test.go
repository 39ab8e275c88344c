package sinktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

type publishOnce struct {
	*sinktest.Memory
	mu   sync.Mutex
	done map[string]bool
}

func (s *publishOnce) Publish(ctx context.Context, ref []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done[string(ref)] {
		return storage.ErrStagingLost
	}
	err := s.Memory.Publish(ctx, ref)
	if s.done == nil {
		s.done = map[string]bool{}
	}
	s.done[string(ref)] = err == nil
	return err
}

type publishBelieves struct{ *sinktest.Memory }

func (s publishBelieves) Publish(ctx context.Context, ref []byte) error {
	if err := s.Memory.Publish(ctx, ref); !errors.Is(err, storage.ErrStagingLost) {
		return err
	}
	return nil
}

// parts takes a ref of Memory apart.
func parts(ref []byte) (key string, size int) {
	var r struct {
		Key  string `json:"key"`
		Size int    `json:"size"`
	}
	_ = json.Unmarshal(ref, &r)
	return r.Key, r.Size
}

type publishOverwrites struct{ *sinktest.Memory }

func (s publishOverwrites) Publish(ctx context.Context, ref []byte) error {
	err := s.Memory.Publish(ctx, ref)
	if key, _ := parts(ref); errors.Is(err, storage.ErrStagingLost) {
		s.Lose(key)
		return s.Memory.Publish(ctx, ref)
	}
	return err
}

type publishComparesSizes struct{ *sinktest.Memory }

func (s publishComparesSizes) Publish(ctx context.Context, ref []byte) error {
	err := s.Memory.Publish(ctx, ref)
	key, size := parts(ref)
	if b, readErr := s.Read(ctx, key, 1<<30); errors.Is(err, storage.ErrStagingLost) && readErr == nil && len(b) == size {
		return nil
	}
	return err
}

type discardOfPublished struct{ *sinktest.Memory }

func (s discardOfPublished) Discard(ctx context.Context, st storage.Staging) error {
	s.Lose(st.Key)
	return s.Memory.Discard(ctx, st)
}

type discardNothing struct{ *sinktest.Memory }

func (s discardNothing) Discard(ctx context.Context, _ storage.Staging) error { return ctx.Err() }

type stagedForgetsOwners struct{ *sinktest.Memory }

func (s stagedForgetsOwners) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Memory.Staged(ctx) {
			st.Owner = "somebody"
			if !yield(st, err) {
				return
			}
		}
	}
}

type stagedHasOne struct{ *sinktest.Memory }

func (s stagedHasOne) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Memory.Staged(ctx) {
			yield(st, err)
			return
		}
	}
}

type writeRetains struct{ *sinktest.Memory }

func (s writeRetains) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	if err != nil {
		return nil, err
	}
	return &retainingUpload{Upload: up}, nil
}

type retainingUpload struct {
	storage.Upload
	parts [][]byte
}

func (u *retainingUpload) Write(p []byte) (int, error) {
	u.parts = append(u.parts, p)
	return len(p), nil
}

func (u *retainingUpload) Close(ctx context.Context) ([]byte, error) {
	for _, p := range u.parts {
		if _, err := u.Upload.Write(p); err != nil {
			return nil, err
		}
	}
	return u.Upload.Close(ctx)
}

type writeShares struct {
	*sinktest.Memory
	mu  sync.Mutex
	buf []byte
}

func (s *writeShares) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return &sharingUpload{Upload: up, s: s}, err
}

type sharingUpload struct {
	storage.Upload
	s *writeShares
}

// Write keeps what it is given, of whatever upload, until it has a block.
func (u *sharingUpload) Write(p []byte) (int, error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.buf = append(u.s.buf, p...)
	if len(u.s.buf) > 512 {
		if _, err := u.Upload.Write(u.s.buf); err != nil {
			return 0, err
		}
		u.s.buf = u.s.buf[:0]
	}
	return len(p), nil
}

type abortNothing struct{ *sinktest.Memory }

func (s abortNothing) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Memory.Stage(ctx, key, owner, most)
	return noAbort{up}, err
}

type noAbort struct{ storage.Upload }

func (noAbort) Abort(context.Context) error { return nil }
