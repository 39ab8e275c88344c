package stream

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// inbox is what a worker has to do. Any goroutine may add to it. The worker takes from it.
type inbox[T any] struct {
	mu    sync.Mutex
	todo  []func(context.Context) error // before the next batch
	cur   item[T]                       // a batch that was begun; before the queue
	queue []item[T]                     // from head on
	head  int
	asked atomic.Bool   // todo is not empty
	poke  chan struct{} // something was added
}

// item is a batch, or a func to run after the batches before it.
type item[T any] struct {
	lane  *lane[T]
	batch *driver.Batch
	bytes int64 // of the batch, which returns to the source once it is processed
	fresh int64 // records of the batch, unless they are for a warm-up
	do    func(context.Context) error
}

func newInbox[T any]() *inbox[T] { return &inbox[T]{poke: make(chan struct{}, 1)} }

// do runs f soon: the worker interrupts a batch for it, after at most stepRecords records.
func (b *inbox[T]) do(f func(context.Context) error) {
	b.mu.Lock()
	b.todo = append(b.todo, f)
	b.asked.Store(true)
	b.mu.Unlock()
	b.signal()
}

// push queues a batch, or a func behind all batches. It never blocks, since a full queue pauses the source.
func (b *inbox[T]) push(it item[T]) {
	b.mu.Lock()
	if b.head > 0 && b.head == len(b.queue) {
		b.queue, b.head = b.queue[:0], 0
	}
	b.queue = append(b.queue, it)
	b.mu.Unlock()
	b.signal()
}

// signal wakes the worker.
func (b *inbox[T]) signal() { retry.Wake(b.poke) }

// next takes the next thing to do.
func (b *inbox[T]) next() (it item[T], ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it.do = b.takeUrgent(); it.do != nil {
		return it, true
	}
	if b.cur.batch != nil {
		it, b.cur = b.cur, item[T]{}
		return it, true
	}
	if b.head == len(b.queue) {
		return it, false
	}
	it = b.queue[b.head]
	b.queue[b.head] = item[T]{}
	b.head++
	if b.head > 64 && b.head*2 > len(b.queue) { // a queue that is never empty must not grow
		b.queue = b.queue[:copy(b.queue, b.queue[b.head:])]
		b.head = 0
	}
	return it, true
}

// putBack returns the rest of the batch that next gave out. It comes before the queue.
func (b *inbox[T]) putBack(it item[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cur = it
}

// urgent takes what comes before all batches; nil if that is nothing.
func (b *inbox[T]) urgent() func(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takeUrgent()
}

// takeUrgent needs mu.
func (b *inbox[T]) takeUrgent() func(context.Context) error {
	if len(b.todo) == 0 {
		return nil
	}
	f := b.todo[0]
	b.todo = b.todo[1:]
	b.asked.Store(len(b.todo) > 0)
	return f
}
