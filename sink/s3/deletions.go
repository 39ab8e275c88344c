package s3

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
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

// mostDeleted is how many names the protocol deletes with one request.
const mostDeleted = 1000

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

// forget deletes an object in staging whose file is published. What cannot be deleted stays for the sweeper: the file is
// published all the same.
func (b *bucket) forget(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	b.staged.add(ctx, name, func(names []string) {
		for some := range slices.Chunk(names, mostDeleted) {
			b.deleteAll(ctx, some)
		}
	})
}

// deleteAll deletes objects in staging, with one request if the store has one for several.
func (b *bucket) deleteAll(ctx context.Context, names []string) {
	if len(names) > 1 && !b.staged.oneByOne.Load() {
		in := &s3.DeleteObjectsInput{Bucket: &b.name, Delete: &types.Delete{Quiet: aws.Bool(true)}}
		for _, n := range names {
			in.Delete.Objects = append(in.Delete.Objects, types.ObjectIdentifier{Key: b.key(n)})
		}
		_, err := b.client.DeleteObjects(ctx, in)
		if err == nil || ctx.Err() != nil || passing(err) {
			return
		}
		b.staged.oneByOne.Store(true)
	}
	for _, n := range names {
		_, _ = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(n)})
	}
}
