package sinktest_test

import (
	"context"
	"io/fs"
	"strings"

	"github.com/onceflow/onceflow/sink/sinktest"
)

type rangeIsOff struct{ *sinktest.Memory }

func (s rangeIsOff) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	return s.Memory.ReadRange(ctx, key, max(0, offset-1), length)
}

// rangeIsCut answers as a server does that is asked for more than there is.
type rangeIsCut struct{ *sinktest.Memory }

func (s rangeIsCut) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	all, err := s.Read(ctx, key, 1<<30)
	if err != nil || offset < 0 || length <= 0 || offset > int64(len(all)) {
		return s.Memory.ReadRange(ctx, key, offset, length)
	}
	return all[offset:min(int64(len(all)), offset+length)], nil
}

type rangeIsAll struct{ *sinktest.Memory }

func (s rangeIsAll) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if _, err := s.Memory.ReadRange(ctx, key, offset, length); err != nil {
		return nil, err
	}
	return s.Read(ctx, key, 1<<30)
}

// rangeOfNothing takes a range that is not there for an object that is not there.
type rangeOfNothing struct{ *sinktest.Memory }

func (s rangeOfNothing) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	b, err := s.Memory.ReadRange(ctx, key, offset, length)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

type deleteNothing struct{ *sinktest.Memory }

func (s deleteNothing) Delete(context.Context, string) error { return nil }

type deleteOfNothing struct{ *sinktest.Memory }

func (s deleteOfNothing) Delete(ctx context.Context, key string) error {
	if _, err := s.Read(ctx, key, 1<<30); err != nil {
		return err
	}
	return s.Memory.Delete(ctx, key)
}

// deletePrefix deletes all that begins with a key.
type deletePrefix struct{ *sinktest.Memory }

func (s deletePrefix) Delete(ctx context.Context, key string) error {
	for o, err := range s.List(ctx, key, "") {
		if err != nil {
			return err
		}
		s.Lose(o.Key)
	}
	return nil
}

// deleteStaging aborts what waits for the key.
type deleteStaging struct{ *sinktest.Memory }

func (s deleteStaging) Delete(ctx context.Context, key string) error {
	for st, err := range s.Staged(ctx) {
		if err != nil {
			return err
		}
		if strings.HasSuffix(key, st.Key) {
			if err := s.Discard(ctx, st); err != nil {
				return err
			}
		}
	}
	return s.Memory.Delete(ctx, key)
}
