package stream

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// roster has the lanes of the process. The conductor uses it. Workers call letGo.
type roster[T any] struct {
	all    map[string]*lane[T]
	memory *memory
	status *observer[T]

	over   chan struct{} // workers have closed some
	mu     sync.Mutex
	closed []*lane[T]   // closed by workers, not yet removed by the conductor
	ends   atomic.Int64 // ended partitions since they last made a commit due
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

// share gives the status the current lanes, and each lane its share of the bytes that may wait in queues.
func (r *roster[T]) share() {
	lanes := slices.Collect(maps.Values(r.all))
	r.status.lanes.Store(&lanes)
	r.memory.divide(len(r.all))
}

// committed is how far event time has got in all lanes by what is committed; zero if that is not known, as without lanes.
// Lanes that are over do not count.
func (r *roster[T]) committed() (at time.Time) {
	first := true
	for _, l := range r.all {
		switch {
		case l.over:
		case first || l.committed.MaxEventTime.Before(at):
			at, first = l.committed.MaxEventTime, false
		}
	}
	return at
}

// close removes all lanes and returns those to begin again: the ones that are not revoked, and the newly assigned.
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

// end asks the workers to close the lanes that are over by a commit.
func (r *roster[T]) end(c *commit[T]) {
	over := make(map[*worker[T]][]*lane[T])
	for i := range c.cut.Lanes {
		if l := r.all[c.cut.Lanes[i].Lane]; l != nil && isOver(c.cut.Lanes[i].Partitions) {
			over[l.w] = append(over[l.w], l)
		}
	}
	for w, lanes := range over {
		w.inbox.do(func(context.Context) error { return w.endLanes(lanes) })
	}
}

// letGo notes lanes that a worker has closed.
func (r *roster[T]) letGo(lanes []*lane[T]) {
	r.mu.Lock()
	r.closed = append(r.closed, lanes...)
	r.mu.Unlock()
	retry.Wake(r.over) // the conductor will look
}

// gone returns the lanes that workers have closed. It leaves out those that were begun again or revoked since.
func (r *roster[T]) gone() []*lane[T] {
	r.mu.Lock()
	closed := r.closed
	r.closed = nil
	r.mu.Unlock()
	return slices.DeleteFunc(closed, func(l *lane[T]) bool { return r.all[l.assignment.Lane] != l })
}
