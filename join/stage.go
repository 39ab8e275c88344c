package join

import (
	"errors"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Left merges each right event into the left one with its key and emits the left one, under its own time. A left event
// without a match is emitted unchanged once event time has passed Window + Grace. A right one without a match is dropped as
// Filtered, "unmatched", or emitted unchanged with Options.KeepRight.
//
// An event whose key is the zero value of K takes no part and is passed on at once.
//
// A panic of key, isLeft or merge sends the event's record, or those of the pair, to the dead-letter flow.
//
// key and isLeft must be pure functions. merge must change neither the key nor the side of left, and keep neither pointer.
// It runs each time that the pair is formed. If a crash undoes a pair, it is formed again from the unchanged events.
func Left[T any, K comparable](key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options) stage.Stage[T, T] {
	return newStage(leftJoin, key, isLeft, merge, opts)
}

// Inner is Left, but drops left events that have no match as Filtered, "unmatched left".
func Inner[T any, K comparable](key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options) stage.Stage[T, T] {
	return newStage(innerJoin, key, isLeft, merge, opts)
}

// AsOf merges into each left event the newest right one with its key that is not later than it and at most Window older,
// and emits the left one, under its own time. One right event serves any number of left ones: each ping gets the fields of
// its page view. Of right events of one time the last one counts, by partition and position.
//
// A left event waits until event time has passed it by Grace, and is emitted unchanged if there is no match then. Right
// events are dropped as Filtered when they are read, as "right", or as "late right" if one comes so late that left events
// may have left without it. Window is 90 seconds by default. Early and KeepRight are refused.
//
// Put it behind dedup and in front of every other stage that holds records. Of two as-of joins in a row, the second one's
// right events must have a zero key in the first. In all else it is as Left; merge must not change what right points to.
func AsOf[T any, K comparable](key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options) stage.Stage[T, T] {
	s := newStage(asOfJoin, key, isLeft, merge, opts)
	if opts != nil && opts.Early > 0 {
		s.err = errors.Join(s.err, errors.New("join: AsOf takes no right event that is later than the left one, so it has no Early"))
	}
	if opts != nil && opts.KeepRight {
		s.err = errors.Join(s.err, errors.New("join: AsOf cannot keep right events without a match: after a crash nobody knows which had one"))
	}
	return s
}

// kind is what a join does with left events.
type kind uint8

const (
	leftJoin kind = iota
	innerJoin
	asOfJoin
)

type joiner[T any, K comparable] struct {
	kind   kind
	key    func(*T) K
	isLeft func(*T) bool
	merge  func(left, right *T)
	opts   Options
	err    error
}

func newStage[T any, K comparable](as kind, key func(*T) K, isLeft func(*T) bool, merge func(left, right *T), opts *Options) *joiner[T, K] {
	s := &joiner[T, K]{kind: as, key: key, isLeft: isLeft, merge: merge}
	s.opts, s.err = opts.filled()
	if key == nil || isLeft == nil || merge == nil {
		s.err = errors.Join(s.err, errors.New("join: key, isLeft and merge are required"))
	}
	return s
}

// Traits say that the stage holds records, and that only the events of one lane meet.
func (s *joiner[T, K]) Traits() stage.Traits {
	name := [...]string{leftJoin: "join", innerJoin: "inner join", asOfJoin: "as-of join"}[s.kind]
	return stage.Traits{Name: name, Holds: true, LaneLocal: true, Err: s.err}
}

// Open makes the processor of one lane, with nothing pending.
func (s *joiner[T, K]) Open(l *stage.Lane) (stage.Processor[T, T], error) {
	if s.kind == asOfJoin {
		return s.openAsOf(l), nil
	}
	return s.openPairs(l), nil
}

// look calls key and isLeft. An event that makes one of them panic is rejected, so later calls need no guard.
func (s *joiner[T, K]) look(e *T) (k K, right bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = record.Caught(v)
		}
	}()
	var zero K
	if k = s.key(e); k == zero {
		return k, false, nil
	}
	return k, !s.isLeft(e), nil
}

// merged is merge of left and right.
func (s *joiner[T, K]) merged(left, right *T) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = record.Caught(v)
		}
	}()
	s.merge(left, right)
	return nil
}
