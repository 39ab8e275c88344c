package sinktest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/sink/sinktest"
)

type nowIsLocal struct{ *sinktest.Memory }

func (s nowIsLocal) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Memory.Now(ctx)
	return now.In(time.FixedZone("", 3600)), err
}

type nowIsOff struct {
	*sinktest.Memory
	off time.Duration
}

func (s nowIsOff) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Memory.Now(ctx)
	return now.Add(s.off), err
}

type nowStands struct {
	*sinktest.Memory
	once sync.Once
	at   time.Time
}

func (s *nowStands) Now(ctx context.Context) (time.Time, error) {
	s.once.Do(func() { s.at = time.Now().UTC() })
	return s.at, ctx.Err()
}

type nowGoesBack struct {
	*sinktest.Memory
	calls atomic.Int64
}

func (s *nowGoesBack) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Memory.Now(ctx)
	return now.Add(-time.Duration(s.calls.Add(1)%3) * 4 * time.Second), err
}

// nowWrites asks the time by writing an object, as some stores must, but where all see it.
type nowWrites struct{ *sinktest.Memory }

func (s nowWrites) Now(ctx context.Context) (time.Time, error) {
	s.Overwrite("clock", nil)
	return s.Memory.Now(ctx)
}
