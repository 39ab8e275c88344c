package workers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Parallel is the number of calls of tasks at once, in all lanes of the process. Where tasks answer before they return and
	// wait for other systems meanwhile, it is the number of requests under way. Sub-partitions take turns: each gives way
	// after 128 records or a millisecond.
	//
	// Defaults to 16.
	Parallel int

	// InFlight is how many records of a sub-partition may be started and not finished. With more than 1 they are started in
	// order, and finish and are tried again in any.
	//
	// Defaults to 1.
	InFlight int

	// Queue is how many bytes of records may wait for each sub-partition. One that needs more takes what its siblings leave.
	// So a slow one stops the reading of its lane only when all of them together have reached Count times Queue. What
	// the source has delivered by then still comes. These bytes count in stream.Options.Memory.
	//
	// Defaults to 1 MiB.
	Queue int64

	// InOrder emits the results of a lane in the order in which its records were read. Then results wait for those of older
	// records, however fast they are. Without it they are emitted in the order in which tasks finish.
	InOrder bool

	// Timeout is how long an attempt may take from its start to its answer. Then it has failed with ErrTimeout, its context
	// ends, and its answer does not count any more.
	//
	// Defaults to 5 minutes. -1 disables; then a call that hangs holds up its sub-partition for ever.
	Timeout time.Duration

	// Failed says what becomes of a record after its nth attempt, counted from 1. err is what the task said, matches
	// ErrTimeout, or is a *record.PanicError. Several goroutines may call it at once.
	//
	// Defaults to Retries(3, DeadLetter).
	Failed func(err error, n int) Verdict

	// Backoff is the pause before the second attempt. It doubles with each further one, up to a minute, and is shortened by
	// up to a half, differently for each sub-partition.
	//
	// Defaults to 100 ms.
	Backoff time.Duration

	// Punctuate is the time from one call of Punctuator.Punctuate to the next.
	//
	// Defaults to 1 second.
	Punctuate time.Duration

	// Logger gets a line for a call that is left to itself, and for a record that a task has refused for a minute.
	//
	// Defaults to discarding.
	Logger *slog.Logger

	// Scheduler runs the tasks; tests get one from workerstest. It replaces Parallel goroutines and the machine's clock.
	Scheduler Scheduler
}

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	var errs []error
	check := func(name string, v, least int64) {
		if v < least {
			errs = append(errs, fmt.Errorf("workers: Options.%s is %d, want at least %d", name, v, least))
		}
	}
	check("Parallel", int64(f.Parallel), 0)
	check("InFlight", int64(f.InFlight), 0)
	check("Queue", f.Queue, 0)
	check("Timeout", int64(f.Timeout), -1)
	check("Backoff", int64(f.Backoff), 0)
	check("Punctuate", int64(f.Punctuate), 0)
	f.Parallel = cmp.Or(f.Parallel, 16)
	f.InFlight = cmp.Or(f.InFlight, 1)
	f.Queue = cmp.Or(f.Queue, 1<<20)
	f.Timeout = cmp.Or(f.Timeout, 5*time.Minute)
	f.Backoff = cmp.Or(f.Backoff, 100*time.Millisecond)
	f.Punctuate = cmp.Or(f.Punctuate, time.Second)
	f.Logger = cmp.Or(f.Logger, slog.New(slog.DiscardHandler))
	if f.Failed == nil {
		f.Failed = Retries(3, DeadLetter)
	}
	return f, errors.Join(errs...)
}

// Verdict is what becomes of a record whose attempt failed.
type Verdict uint8

const (
	Retry      Verdict = iota // after a pause
	DeadLetter                // in the transaction, with the error; the records behind it go on
	Stop                      // the job ends with an *Error. The record is pending, and the next run begins with it
)

// Retries makes an Options.Failed: n further attempts, then a verdict.
func Retries(n int, then Verdict) func(error, int) Verdict {
	return func(_ error, failed int) Verdict {
		if failed <= n {
			return Retry
		}
		return then
	}
}

// ErrTimeout is why an attempt failed that was not answered in time. It is also the cause of the end of its context.
var ErrTimeout = errors.New("workers: the task did not answer in time")

var (
	errRange  = errors.New("workers: the partitioner gave an index out of range")
	errClosed = errors.New("workers: the task is closed")
	errHangs  = errors.New("workers: as many calls hang as may run at once")
)

// Error says which sub-partition stopped the job.
type Error struct {
	Subpartition Subpartition
	Attempts     int // at the record; 0 if it was not for one
	Err          error
}

func (e *Error) Error() string {
	if e.Attempts > 0 {
		return fmt.Sprintf("workers: sub-partition %s, attempt %d: %v", e.Subpartition, e.Attempts, e.Err)
	}
	return fmt.Sprintf("workers: sub-partition %s: %v", e.Subpartition, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
