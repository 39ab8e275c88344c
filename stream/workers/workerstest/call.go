package workerstest

import (
	"context"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/workers"
)

// Answer is what a task has answered to Call. It is safe for concurrent use.
type Answer[Out any] struct {
	mu    sync.Mutex
	times int
	out   []Out
	err   error
}

// Call calls task.Process for one event, without a stage. The answer may come later.
func Call[In, Out any](ctx context.Context, task workers.Task[In, Out], at time.Time, in In) *Answer[Out] {
	a := &Answer[Out]{}
	task.Process(ctx, record.Event[In]{Value: in, Time: at}, workers.NewReply(a.take))
	return a
}

func (a *Answer[Out]) take(out []Out, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times++; a.times == 1 {
		a.out, a.err = out, err
	}
}

// Get returns the first answer, which counts in a job, and how many there were. None means that the task has not answered.
func (a *Answer[Out]) Get() (out []Out, err error, times int) { //nolint:staticcheck // the error is the task's, not of Get
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.out, a.err, a.times
}
