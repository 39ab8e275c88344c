package env

import (
	"context"
	"sync"
)

// Scheduler decides which goroutine runs. With it nothing blocks outside its sight: where a goroutine would wait for
// another one, it calls Yield until it need not any more.
type Scheduler interface {
	// Yield lets others run. why is for traces. It does not return if the process that it is called in has crashed.
	Yield(why string)
}

// Lock locks mu. It is for mutexes whose holders keep them while they wait for a store.
func (e *Env) Lock(mu *sync.Mutex) {
	if e.Scheduler == nil {
		mu.Lock()
		return
	}
	for !mu.TryLock() {
		e.Scheduler.Yield("lock")
	}
}

// Wait waits until first or second is closed and tells whether it was first, which counts if both are. second may be
// nil. If ctx is done before, it returns its cause.
func (e *Env) Wait(ctx context.Context, first, second <-chan struct{}) (isFirst bool, err error) {
	for {
		select {
		case <-first:
			return true, nil
		default:
		}
		if e.Scheduler == nil {
			select {
			case <-first:
				return true, nil
			case <-second:
				return IsClosed(first), nil
			case <-ctx.Done():
				return false, context.Cause(ctx)
			}
		}
		switch {
		case IsClosed(second):
			return false, nil
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		}
		e.Scheduler.Yield("wait")
	}
}

// IsClosed reports whether a channel on which nothing is sent is closed.
func IsClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
