package sample

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// LimitOptions are the optional settings of Limit; nil means all defaults.
type LimitOptions struct {
	// Grace is how long after its end an interval is still counted, by event time. A later event begins to count anew.
	//
	// Defaults to 1 minute. -1 is none.
	Grace time.Duration

	// MaxKeys bounds the keys that are counted in an interval and lane, at about 30 bytes each. Events of further keys
	// are passed on and counted in Overflow.
	//
	// Defaults to 1,000,000.
	MaxKeys int

	// Overflow, if set, counts events that were passed on because their key found no room.
	Overflow *atomic.Int64
}

// Limit passes on the first n events of each key in each interval of event time, in the order of processing. It counts the
// others as Filtered, "over the limit". Intervals begin at whole multiples of their length since 1970. An event with an
// empty key is passed on. key must be a pure function.
//
// After a crash the counts come back by reading the last interval again. The stage must not stand after one that holds
// records; Run refuses that.
func Limit[T any](n int, interval time.Duration, key func(*T) string, opts *LimitOptions) stage.Stage[T, T] {
	s := &limit[T]{n: uint32(min(max(n, 0), 1<<31)), interval: interval, key: recovering(key)}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.MaxKeys = cmp.Or(s.opts.MaxKeys, 1_000_000)
	if s.opts.Grace = cmp.Or(s.opts.Grace, time.Minute); s.opts.Grace == -1 {
		s.opts.Grace = 0
	}
	if s.opts.Overflow == nil {
		s.opts.Overflow = new(atomic.Int64)
	}
	if n < 1 {
		s.err = fmt.Errorf("sample: a limit of %d events lets none through", n)
	}
	if interval < time.Millisecond || s.opts.Grace < 0 || s.opts.MaxKeys < 0 {
		s.err = errors.Join(s.err, fmt.Errorf("sample: interval %s, grace %s, %d keys: too short or negative",
			interval, s.opts.Grace, s.opts.MaxKeys))
	}
	if key == nil {
		s.err = errors.Join(s.err, errors.New("sample: a key function is required"))
	}
	return s
}

type limit[T any] struct {
	n        uint32
	interval time.Duration
	key      func(*T) (string, error)
	opts     LimitOptions
	err      error
}

// Traits say that the stage decides which of several records of a lane wins.
func (s *limit[T]) Traits() stage.Traits {
	return stage.Traits{Name: "limit", ClaimsFirst: true, LaneLocal: true, Err: s.err}
}

// Open makes the counts of one lane.
func (s *limit[T]) Open(*stage.Lane) (stage.Processor[T, T], error) {
	return &limiter[T]{limit: s, counts: map[int64]map[uint64]uint32{}}, nil
}

// limiter counts by the hashes of keys, so that the garbage collector has nothing to look at.
type limiter[T any] struct {
	*limit[T]
	counts map[int64]map[uint64]uint32 // by interval
	begin  int64                       // of the interval that last is
	last   map[uint64]uint32
}

// Process counts and decides.
func (l *limiter[T]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	for i := range in {
		// A record that is read again because a later stage holds it was let through before.
		passes, err := l.take(&in[i])
		if err != nil {
			out.Reject(in[i].Origin, err)
		} else if passes || out.Lookup(in[i].Origin).Replayed {
			out.Emit(in[i])
		} else {
			out.Drop(in[i].Origin, record.Filtered, "over the limit")
		}
	}
	return nil
}

// Warmup is how much of the log the counts of the open intervals need.
func (l *limiter[T]) Warmup() time.Duration { return l.interval + l.opts.Grace }

// Warm counts.
func (l *limiter[T]) Warm(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	for i := range in {
		if passes, err := l.take(&in[i]); passes && err == nil {
			out.Emit(in[i])
		}
	}
	return nil
}

func (l *limiter[T]) take(e *record.Event[T]) (bool, error) {
	k, err := l.key(&e.Value)
	if err != nil || k == "" {
		return true, err
	}
	at := e.Time.UnixMilli() / l.interval.Milliseconds()
	if l.last == nil || at != l.begin {
		if l.begin, l.last = at, l.counts[at]; l.last == nil {
			l.last = map[uint64]uint32{}
			l.counts[at] = l.last
		}
	}
	h := xxh3.HashString(k)
	c, known := l.last[h]
	if c >= l.n {
		return false, nil
	}
	if !known && len(l.last) >= l.opts.MaxKeys {
		l.opts.Overflow.Add(1)
		return true, nil
	}
	l.last[h] = c + 1
	return true, nil
}

// Advance forgets the intervals that are over.
func (l *limiter[T]) Advance(_ context.Context, eventTime time.Time, _ *stage.Emitter[T]) error {
	ended := eventTime.Add(-l.opts.Grace).UnixMilli() / l.interval.Milliseconds()
	if len(l.counts) < 2 && l.begin >= ended {
		return nil
	}
	for at := range l.counts {
		if at < ended {
			delete(l.counts, at)
			l.last = nil
		}
	}
	return nil
}
