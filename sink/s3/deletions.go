package s3

import (
	"context"
	"sync"
	"sync/atomic"
)

// deletions lets publications that delete what they have copied at the same time share a request: of thousands of small files
// each costs one request less. Who comes while a request is under way waits for the next one. The zero value is ready. It is safe
// for concurrent use.
type deletions struct {
	mu   sync.Mutex // a leaf
	busy bool       // a request is under way
	next *deletion  // what goes with the next one; nil if nobody waits

	oneByOne atomic.Bool // the store has no request for several
}

// deletion is what is deleted with one request.
type deletion struct {
	names []string
	begin chan struct{} // closed when it is this one's turn
	done  chan struct{} // closed when it is over
}

// add deletes name by send, with what others delete. It returns when that was tried, whatever came of it, or when ctx is done and
// another caller tries it. send ends with its caller's context, which may be another's.
func (d *deletions) add(ctx context.Context, name string, send func(names []string)) {
	d.mu.Lock()
	if !d.busy {
		d.busy = true
		d.mu.Unlock()
		send([]string{name})
		d.over()
		return
	}
	if n := d.next; n != nil {
		n.names = append(n.names, name)
		d.mu.Unlock()
		select {
		case <-n.done:
		case <-ctx.Done():
		}
		return
	}
	n := &deletion{names: []string{name}, begin: make(chan struct{}), done: make(chan struct{})}
	d.next = n
	d.mu.Unlock()
	<-n.begin // send is bounded
	send(n.names)
	d.over()
	close(n.done)
}

// over gives the turn to those that wait.
func (d *deletions) over() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == nil {
		d.busy = false
		return
	}
	close(d.next.begin)
	d.next = nil
}
