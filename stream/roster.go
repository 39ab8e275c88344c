package stream

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/stream/driver"
)

// roster is the lanes that the process has. It is the conductor's, but for what workers say of lanes that they have closed.
type roster[T any] struct {
	all    map[string]*lane[T]
	memory *memory
	status *observer[T]

	over   chan struct{} // workers have closed some
	mu     sync.Mutex
	closed []*lane[T]   // by workers, and not forgotten yet
	ends   atomic.Int64 // of partitions, since a commit was asked for because of them
}

func newRoster[T any](m *memory, status *observer[T]) *roster[T] {
	r := &roster[T]{all: map[string]*lane[T]{}, memory: m, status: status, over: make(chan struct{}, 1)}
	r.share()
	return r
}

// forget ends lanes on the conductor's side.
func (r *roster[T]) forget(lanes ...*lane[T]) {
	for _, l := range lanes {
		if r.all[l.assignment.Lane] == l {
			delete(r.all, l.assignment.Lane)
			l.w.loads--
		}
	}
	r.share()
}

// share tells the status which lanes there are, and divides the bytes that may wait in queues among them.
func (r *roster[T]) share() {
	lanes := slices.Collect(maps.Values(r.all))
	r.status.lanes.Store(&lanes)
	r.memory.divide(len(r.all))
}

// close forgets all lanes and returns those that go on: the ones not revoked, and the newly assigned.
func (r *roster[T]) close(reb *rebalance[T]) (next []driver.Assignment) {
	revoked := map[string]bool{}
	if reb != nil {
		for _, name := range reb.batch.Revoked {
			revoked[name] = true
		}
		next = append(next, reb.batch.Assigned...)
	}
	for name, l := range r.all {
		if !revoked[name] {
			next = append(next, l.assignment)
		}
	}
	r.forget(slices.Collect(maps.Values(r.all))...)
	slices.SortFunc(next, func(a, b driver.Assignment) int { return strings.Compare(a.Lane, b.Lane) })
	return next
}

// end asks the workers to close the lanes of a commit that are over by it.
func (r *roster[T]) end(c *commit[T]) {
	over := make(map[*worker[T]][]*lane[T])
	for i := range c.cut.Lanes {
		if l := r.all[c.cut.Lanes[i].Lane]; l != nil && isOver(c.cut.Lanes[i].Partitions) {
			over[l.w] = append(over[l.w], l)
		}
	}
	for w, lanes := range over {
		w.do(func(context.Context) error { return w.endLanes(lanes) })
	}
}

// letGo is told by a worker of lanes that it has closed.
func (r *roster[T]) letGo(lanes []*lane[T]) {
	r.mu.Lock()
	r.closed = append(r.closed, lanes...)
	r.mu.Unlock()
	select {
	case r.over <- struct{}{}:
	default: // the conductor will look
	}
}

// gone returns the lanes that workers have closed, but for those that were begun again or revoked since.
func (r *roster[T]) gone() []*lane[T] {
	r.mu.Lock()
	closed := r.closed
	r.closed = nil
	r.mu.Unlock()
	return slices.DeleteFunc(closed, func(l *lane[T]) bool { return r.all[l.assignment.Lane] != l })
}
