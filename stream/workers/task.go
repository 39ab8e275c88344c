package workers

import (
	"context"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Task does the work of one sub-partition of one lane. One goroutine at a time calls its methods, not always the same. It may
// also implement Accepter, Punctuator and io.Closer. Close is called behind all other calls, when the lane is given up, the
// job ends or the task is replaced; it must not wait for answers, which do not count any more.
//
// A task is made when its sub-partition gets its first record. It is replaced after a panic, and when a call does not return.
type Task[In, Out any] interface {
	// Process works on one record and answers with r: before it returns, or later and from any goroutine. Results have the
	// event time of e.
	//
	// ctx ends when the attempt's time is over or the task is closed. It does not end with the answer, and other records of
	// the task may share it. e belongs to the task. What its value refers to is shared with later attempts, so it must not
	// be changed.
	Process(ctx context.Context, e record.Event[In], r Reply[Out])
}

// Accepter is a task that can say "not now", such as while a quota is used up.
type Accepter[In any] interface {
	// Accept reports whether e, the next record, may be started. While it may not, it waits, with all behind it; the task is
	// asked again after 10 ms, then after twice as long each time, up to 1 s, and behind each answer. A panic counts as a
	// failed attempt.
	Accept(e record.Event[In]) bool
}

// Punctuator is a task that wants to be called now and then, whether records come or not. One that collects records and
// answers all of them together writes what it has then. Options.InFlight must allow as many.
type Punctuator interface {
	// Punctuate is called about every Options.Punctuate. A panic stops the job.
	Punctuate(ctx context.Context, now time.Time)
}

// Subpartition names a part of a lane.
type Subpartition struct {
	Lane  string
	Index int // below Partitioner.Count
}

// String is lane and index with a slash between them.
func (s Subpartition) String() string { return fmt.Sprintf("%s/%d", s.Lane, s.Index) }

// Func makes tasks of a function that answers when it returns. f may be called for several sub-partitions at once. It must
// not keep the pointer, nor change the value.
func Func[In, Out any](f func(context.Context, *In) (Out, error)) func(Subpartition) (Task[In, Out], error) {
	if f == nil {
		return nil // which New tells
	}
	return func(Subpartition) (Task[In, Out], error) { return &funcTask[In, Out]{f: f}, nil }
}

type funcTask[In, Out any] struct {
	f  func(context.Context, *In) (Out, error)
	in In // here, so that its pointer costs no allocation
}

func (t *funcTask[In, Out]) Process(ctx context.Context, e record.Event[In], r Reply[Out]) {
	t.in = e.Value
	out, err := t.f(ctx, &t.in)
	if err != nil {
		r.Fail(err)
		return
	}
	r.Done(out)
}
