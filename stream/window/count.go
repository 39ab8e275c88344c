package window

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Options are the optional settings of Count; nil means all defaults.
type Options struct {
	// MaxKeys bounds the keys that are counted in a lane. Each takes up to 16 bytes for each of the n events. Events of
	// further keys are passed on uncounted.
	//
	// Defaults to 1,000,000.
	MaxKeys int

	// Overflow, if set, counts the events that were passed on uncounted.
	Overflow *atomic.Int64
}

// Count passes every event on. When an event brings its key to more than n events within length, Count also emits raise of
// that event, with its time and fate. It does so at most once for each key and interval of that length; intervals begin at
// whole multiples of it since 1970. An event whose key is the zero value of K is not counted. key must be a pure function;
// raise must not change the event. A panic of either sends the record to the dead-letter flow.
//
// Events may come in any order within length. After a crash the counts come back by reading the last windows again. The
// stage must not stand after one that holds records; Run refuses that.
func Count[T any, K comparable](key func(*T) K, n int, length time.Duration, raise func(*T) T, opts *Options) stage.Stage[T, T] {
	s := &counting[T, K]{
		key: record.Recover(func(e *T) (K, error) { return key(e), nil }), n: n, length: length,
		raise: record.Recover(func(e *T) (T, error) { return raise(e), nil }),
	}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.MaxKeys = cmp.Or(s.opts.MaxKeys, 1_000_000)
	if s.opts.Overflow == nil {
		s.opts.Overflow = new(atomic.Int64)
	}
	if n < 1 || length < time.Millisecond || s.opts.MaxKeys < 0 {
		s.err = fmt.Errorf("window: more than %d events within %s for %d keys cannot be counted", n, length, s.opts.MaxKeys)
	}
	if key == nil || raise == nil {
		s.err = errors.Join(s.err, errors.New("window: key and raise are required"))
	}
	return s
}

type counting[T any, K comparable] struct {
	key    func(*T) (K, error)
	n      int
	length time.Duration
	raise  func(*T) (T, error)
	opts   Options
	err    error
}

// Traits say that the stage decides which of several records of a lane wins: the one that raises the event.
func (s *counting[T, K]) Traits() stage.Traits {
	return stage.Traits{Name: "count", ClaimsFirst: true, LaneLocal: true, Err: s.err}
}

// Open makes the counts of one lane.
func (s *counting[T, K]) Open(*stage.Lane) (stage.Processor[T, T], error) {
	return &counter[T, K]{counting: s, keys: map[K]*times{}}, nil
}

// counter has the times of each key.
type counter[T any, K comparable] struct {
	*counting[T, K]
	keys  map[K]*times
	sweep time.Time // of event time, when keys that are too old were last looked for
}

// Process counts and raises.
func (c *counter[T, K]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	for i := range in {
		e := &in[i]
		k, err := c.key(&e.Value)
		if err != nil {
			out.Reject(e.Origin, err)
			continue
		}
		out.Emit(*e)
		t := c.times(k)
		if t == nil {
			continue
		}
		at, length := e.Time.UnixMicro(), c.length.Microseconds()
		if !t.add(at, c.n, length) {
			continue
		}
		// A record that is read again because a later stage holds it raises its event again, since that was not written
		// either. A record that comes late does not raise a second one.
		interval := floor(at, length)
		if t.raised && t.interval >= interval && !(out.Lookup(e.Origin).Replayed && t.interval == interval && at <= t.at) {
			continue
		}
		t.raised, t.interval, t.at = true, interval, at
		raised, err := c.raise(&e.Value)
		if err != nil {
			out.Reject(e.Origin, err)
			continue
		}
		out.Emit(record.Derive(e, raised))
	}
	return nil
}

// Warmup is three windows. An event may come one window late. Its interval began up to one window before it. Whether an
// event was raised at that interval's begin depends on the window before.
func (c *counter[T, K]) Warmup() time.Duration { return 3 * c.length }

// Warm counts.
func (c *counter[T, K]) Warm(ctx context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	return c.Process(ctx, in, out)
}

func (c *counter[T, K]) times(k K) *times {
	var zero K
	if k == zero {
		return nil
	}
	t := c.keys[k]
	if t != nil {
		return t
	}
	if len(c.keys) >= c.opts.MaxKeys {
		c.opts.Overflow.Add(1)
		return nil
	}
	t = &times{}
	c.keys[k] = t
	return t
}

// Advance forgets, every three windows, the keys whose events are too old to count even with one that comes a window late.
func (c *counter[T, K]) Advance(_ context.Context, eventTime time.Time, _ *stage.Emitter[T]) error {
	if eventTime.Before(c.sweep.Add(3 * c.length)) {
		return nil
	}
	c.sweep = eventTime
	old := eventTime.Add(-2 * c.length).UnixMicro()
	for k, t := range c.keys {
		if t.sorted[len(t.sorted)-1] < old {
			delete(c.keys, k)
		}
	}
	return nil
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
