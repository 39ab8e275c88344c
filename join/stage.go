package join

import (
	"errors"
	"hash/maphash"
	"math/rand/v2"

	"github.com/onceflow/onceflow/stream/stage"
)

// Left merges each right event into the left one with its key and emits the left one, under its own time. A left event
// without a match is emitted unchanged once event time has passed Window + Grace. A right one without a match is dropped as
// Filtered, "unmatched".
//
// An event whose key is the zero value of K takes no part and is passed on at once.
//
// A panic of key, isLeft or merge sends the event's record, or those of the pair, to the dead-letter flow.
//
// key and isLeft must be pure functions. merge must change neither the key nor the side of left, and keep neither pointer.
// It runs each time that the pair is formed. If a crash undoes a pair, it is formed again from the unchanged events.
func Left[T any, K comparable](key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options) stage.Stage[T, T] {
	return newStage(key, isLeft, merge, opts, false)
}

// Inner is Left, but drops left events that have no match as Filtered, "unmatched left".
func Inner[T any, K comparable](key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options) stage.Stage[T, T] {
	return newStage(key, isLeft, merge, opts, true)
}

type joiner[T any, K comparable] struct {
	key    func(*T) K
	isLeft func(*T) bool
	merge  func(left, right *T)
	opts   Options
	err    error
	inner  bool
}

func newStage[T any, K comparable](key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options, inner bool) *joiner[T, K] {
	s := &joiner[T, K]{key: key, isLeft: isLeft, merge: merge, inner: inner}
	s.opts, s.err = opts.filled()
	if key == nil || isLeft == nil || merge == nil {
		s.err = errors.Join(s.err, errors.New("join: key, isLeft and merge are required"))
	}
	return s
}

// Traits say that the stage holds records, and that only the events of one lane meet.
func (s *joiner[T, K]) Traits() stage.Traits {
	name := "join"
	if s.inner {
		name = "inner join"
	}
	return stage.Traits{Name: name, Holds: true, LaneLocal: true, Err: s.err}
}

// Open makes the processor of one lane, with nothing pending.
func (s *joiner[T, K]) Open(l *stage.Lane) (stage.Processor[T, T], error) {
	p := &processor[T, K]{joiner: s, lane: l.Name, seed: maphash.MakeSeed(), salt: rand.Uint32()}
	p.timers.init(&p.slab, s.opts)
	p.timers.less = p.dueBefore
	return p, nil
}
