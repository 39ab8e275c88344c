package seal

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Seal is the final list of what an hour holds.
type Seal = manifest.Hour

// ReadOptions are the optional settings of readers; nil means all defaults.
type ReadOptions = sink.ReadOptions

// Read yields the seals of a job in order. It begins with the hour that begins at from, or with the first sealed hour if
// that is later. It waits for more until ctx is done; then it ends without an error. An error ends it; what was yielded
// before is right. It also waits for a job that has not begun, so it waits for ever for a wrong name; EarliestHour tells.
func Read(ctx context.Context, store sink.Store, job string, from time.Time, opts *ReadOptions) iter.Seq2[Seal, error] {
	return sink.Hours(ctx, store, job, from, opts)
}

// Wait blocks until an hour is sealed, and returns what it holds. It fails when ctx ends, with the cause. It fails at once
// if the hour can never be sealed because it is before the first sealed one.
func Wait(ctx context.Context, store sink.Store, job string, hour time.Time, opts *ReadOptions) (*Seal, error) {
	for s, err := range Read(ctx, store, job, hour, opts) {
		if err != nil && ctx.Err() != nil {
			break
		}
		if err != nil {
			return nil, err
		}
		if hour.Before(s.Hour) {
			return nil, fmt.Errorf("seal: hour %s of job %q is before the first that was sealed, which is %s: %w",
				hour.UTC().Format(time.RFC3339), job, s.Hour.Format(time.RFC3339), fs.ErrNotExist)
		}
		return &s, nil
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("seal: hour %s of job %q is not sealed: %w", hour.UTC().Format(time.RFC3339), job, err)
	}
	return nil, fmt.Errorf("seal: hour %s of job %q is not sealed: %w", hour.UTC().Format(time.RFC3339), job, fs.ErrNotExist)
}

// EarliestHour returns the start of the first hour that is not closed; zero if it is not known yet. The error matches
// fs.ErrNotExist if the job has not begun.
func EarliestHour(ctx context.Context, store sink.Store, job string, opts *ReadOptions) (time.Time, error) {
	s, err := sink.Inspect(ctx, store, job, opts)
	if err != nil {
		return time.Time{}, err
	}
	return s.NextHour, nil
}
