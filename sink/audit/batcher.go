package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/sink/driver"
)

// BatcherOptions are the optional settings of a Batcher; nil means all defaults.
type BatcherOptions struct {
	// Lines and Bytes, of keys and values, end a batch that has as many or more. Age is the longest time from the first event of a
	// batch to its end, so a client waits for it and two writes.
	//
	// Default to 10,000, 4 MiB and 500 ms.
	Lines int
	Bytes int
	Age   time.Duration

	// Memory bounds the bytes of the events that are not sent yet, and 120 bytes for each of them. Beyond it Add fails with ErrBusy. It
	// must have room for Bytes and Lines, or there would be events that never find any.
	//
	// Defaults to 64 MiB, or twice what it must have.
	Memory int64

	// Patience is how long a Batcher tries to keep a batch and to register it, and as long again to send it.
	//
	// Defaults to 30 seconds.
	Patience time.Duration

	// Logger gets what nobody else is told: why a batch could not be sent.
	//
	// Defaults to none.
	Logger *slog.Logger
}

func (o *BatcherOptions) filled() (BatcherOptions, error) {
	var f BatcherOptions
	if o != nil {
		f = *o
	}
	f.Lines, f.Bytes, f.Age = cmp.Or(f.Lines, 10_000), cmp.Or(f.Bytes, 4<<20), cmp.Or(f.Age, 500*time.Millisecond)
	batch := int64(f.Bytes) + int64(f.Lines)*eventOverhead
	f.Memory, f.Patience = cmp.Or(f.Memory, max(64<<20, 2*batch)), cmp.Or(f.Patience, 30*time.Second)
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if f.Lines < 1 || f.Lines > MaxLines {
		errs = append(errs, fmt.Errorf("batches of %d lines, not 1 to %d", f.Lines, MaxLines))
	}
	if f.Bytes < 1 || f.Bytes > maxBatchObject/4 {
		errs = append(errs, fmt.Errorf("batches of %d bytes, not 1 to %d", f.Bytes, maxBatchObject/4))
	}
	if f.Age < 0 || f.Memory < 0 || f.Patience < 0 {
		errs = append(errs, fmt.Errorf("age %s, memory %d or patience %s is negative", f.Age, f.Memory, f.Patience))
	}
	if len(errs) == 0 && f.Memory < batch {
		errs = append(errs, fmt.Errorf("memory %d has no room for one batch of %d lines and %d bytes, which take %d with %d for each line: Add would fail with ErrBusy for ever",
			f.Memory, f.Lines, f.Bytes, batch, eventOverhead))
	}
	return f, errors.Join(errs...)
}

// ErrBusy means that the Batcher has no room for the events. They are not accepted, and may be later: HTTP's 429.
var ErrBusy = errors.New("audit: too many events wait to be sent")

// ErrClosed means that the Batcher takes no more events. These are not accepted.
var ErrClosed = errors.New("audit: the batcher is closed")

// Receipt says where accepted events are: lines First to First + Lines - 1 of a batch.
type Receipt struct {
	ID    ID
	First int
	Lines int
}

// BatcherStats count what a Batcher has done.
type BatcherStats struct {
	Batches int64 // accepted
	Lines   int64
	Failed  int64 // batches whose clients were told an error
	Unsent  int64 // accepted batches that could not be sent as a whole: an auditor sends what is missing
	Refused int64 // lines of these that the source will never take: see RefusedError
}

// Batcher packs events into batches. It is safe for concurrent use.
type Batcher struct {
	folder   *Folder
	registry Registry
	send     Sender
	opts     BatcherOptions
	clock    *clock

	mu      sync.Mutex
	open    *batch // gets the next events; nil if there is none
	closed  bool
	waiting int64 // bytes of events that are not sent
	work    sync.WaitGroup

	batches, lines, failed, unsent, refused atomic.Int64
}

// OpenBatcher opens a Batcher that keeps batches in folder. It reads the store's clock, whose times the IDs have.
func OpenBatcher(ctx context.Context, folder *Folder, registry Registry, send Sender, opts *BatcherOptions) (*Batcher, error) {
	o, err := opts.filled()
	if folder == nil || registry == nil || send == nil {
		err = errors.Join(err, errors.New("a folder, a registry and a sender are required"))
	}
	if err != nil {
		return nil, fmt.Errorf("audit: cannot open a batcher: %w", err)
	}
	b := &Batcher{folder: folder, registry: registry, send: send, opts: o, clock: newClock(folder)}
	if err := b.clock.look(ctx); err != nil {
		return nil, fmt.Errorf("audit: cannot open a batcher: read the store's clock: %w", err)
	}
	return b, nil
}

// Add accepts events, all of them in one batch. It returns once their batch is durable and registered. It does not wait until
// they are sent: from there on an auditor sends what does not arrive. It does not keep events.
//
// After ErrBusy or ErrClosed none of the events is accepted. Nor are they, ever, after an error that matches fs.ErrInvalid: they fit into
// no batch, or one has a time before the year 1 or after 9999. After any other error it is unknown: they may come to be in
// the output. A client that sends them again makes copies, which a stage of package dedup drops.
func (b *Batcher) Add(ctx context.Context, events []Event) (Receipt, error) {
	bytes := 0
	for i := range events {
		bytes += len(events[i].Key) + len(events[i].Value)
		if at := events[i].Time; !at.IsZero() && !when.Fits(at) {
			return Receipt{}, fmt.Errorf("audit: event %d of %d is of the year %d: %w", i+1, len(events), at.Year(), fs.ErrInvalid)
		}
	}
	size := int64(bytes) + int64(len(events))*eventOverhead
	if len(events) == 0 || len(events) > b.opts.Lines || bytes > b.opts.Bytes {
		return Receipt{}, fmt.Errorf("audit: %d events of %d bytes at once, at most %d of %d bytes fit into a batch: %w",
			len(events), bytes, b.opts.Lines, b.opts.Bytes, fs.ErrInvalid)
	}
	w, first, err := b.put(events, size)
	if err != nil {
		return Receipt{}, err
	}
	select {
	case <-w.kept:
		if w.err != nil {
			return Receipt{}, w.err
		}
		return Receipt{w.id, first, len(events)}, nil
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("audit: batch %s may be accepted or not: %w", w.id, ctx.Err())
	}
}

// eventOverhead is what an event takes in memory beside its bytes: a Line, and its lengths.
const eventOverhead = 120

// put adds events to the open batch. It ends the batch before if they do not fit, and this one if it is full.
func (b *Batcher) put(events []Event, size int64) (w *batch, first int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, 0, ErrClosed
	}
	if b.waiting+size > b.opts.Memory {
		if b.open != nil {
			b.end(b.open) // what waits for more events would not get any
		}
		return nil, 0, ErrBusy
	}
	if w = b.open; w != nil && w.lines+len(events) > MaxLines {
		b.end(w)
	}
	if w = b.open; w == nil {
		at, _ := b.clock.now()
		w = newBatch(at)
		w.age = time.AfterFunc(b.opts.Age, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.end(w)
		})
		b.open = w
	}
	first = w.lines + 1
	for i := range events {
		w.add(&events[i])
	}
	b.waiting += size
	if w.lines >= b.opts.Lines || w.bytes >= int64(b.opts.Bytes) {
		b.end(w)
	}
	return w, first, nil
}

// end takes a batch out of the way of further events and begins to keep it. It needs b.mu.
func (b *Batcher) end(w *batch) {
	if b.open != w {
		return
	}
	b.open = nil
	w.age.Stop()
	b.work.Go(func() {
		b.run(w)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waiting -= w.bytes + int64(w.lines)*eventOverhead
	})
}

// run keeps a batch, tells who waits for it, and sends it.
func (b *Batcher) run(w *batch) {
	ctx, cancel := context.WithTimeout(context.Background(), b.opts.Patience) // the events are of several callers
	w.err = b.keep(ctx, w)
	cancel()
	if w.err != nil {
		b.failed.Add(1)
		close(w.kept)
		return
	}
	b.batches.Add(1)
	b.lines.Add(int64(w.lines))
	close(w.kept) // whoever waits for it finds it counted
	ctx, cancel = context.WithTimeout(context.Background(), b.opts.Patience)
	defer cancel()
	lines, err := parseLines(w.id, w.body, w.lines)
	if err == nil {
		err = b.send.Send(ctx, lines)
	}
	if err != nil {
		b.unsent.Add(1)
		var refused *RefusedError
		if errors.As(err, &refused) {
			b.refused.Add(int64(len(refused.Lines)))
		}
		b.opts.Logger.Warn("a batch is accepted and may not be sent; an auditor sends it", "batch", w.id.String(), "lines", w.lines, "err", err)
	}
	if _, due := b.clock.now(); due {
		_ = b.clock.look(ctx) // until it succeeds monotonic time goes on
	}
}

// keep stores the object of a batch, and registers the batch after that. In the other order a crash in between would leave a
// batch that is missing and cannot be sent, though nobody was told that it is accepted.
func (b *Batcher) keep(ctx context.Context, w *batch) error {
	object, err := packBatch(w.body, w.lines)
	if err != nil {
		return err
	}
	if err := insist(ctx, func(ctx context.Context) error { return b.folder.keep(ctx, w.id, object) }); err != nil {
		return fmt.Errorf("audit: batch %s cannot be kept: %w", w.id, err)
	}
	r := w.registration()
	if err := insist(ctx, func(ctx context.Context) error { return b.registry.Register(ctx, r) }); err != nil {
		return fmt.Errorf("audit: batch %s cannot be registered: %w", w.id, err)
	}
	return nil
}

// insist calls f until it succeeds, ctx ends, or its error is final.
func insist(ctx context.Context, f func(context.Context) error) error {
	return retry.Loop{First: 100 * time.Millisecond, Most: 5 * time.Second, Again: func(_ int, err error) bool {
		return !final(err)
	}}.Do(ctx, f)
}

// final reports whether another try meets the same error.
func final(err error) bool {
	for _, e := range []error{fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, errors.ErrUnsupported, driver.ErrPermanent, ErrDamaged} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Stats returns what has been done so far.
func (b *Batcher) Stats() BatcherStats {
	return BatcherStats{Batches: b.batches.Load(), Lines: b.lines.Load(), Failed: b.failed.Load(), Unsent: b.unsent.Load(), Refused: b.refused.Load()}
}

// Close takes no more events, ends the open batch, and waits until all batches are sent, or ctx ends, which is its only
// error. What is not sent then an auditor sends.
func (b *Batcher) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	if b.open != nil {
		b.end(b.open)
	}
	b.mu.Unlock()
	sent := make(chan struct{})
	go func() { b.work.Wait(); close(sent) }()
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("audit: not all batches are sent: %w", ctx.Err())
	}
}
