package fetch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/record"
)

// Options of a Reader; all are required.
type Options struct {
	Access     *cluster.Access
	Cluster    *cluster.Cluster
	FetchBytes int32 // of a partition in one answer
	Buffer     int64 // bytes of records that may wait or be in use
	MaxBatch   int   // bytes that a batch may decompress to

	DeadLetters   bool // a batch that cannot be decoded becomes a dead letter, rather than to halt its partition,
	StopOnCorrupt bool // or stops the job

	Skew          time.Duration // how much newer than its Kafka timestamp an event time may be
	Stall, GiveUp time.Duration
	Logger        *slog.Logger

	Retention func(topic string) time.Duration // not positive: for ever
	Kick      func()                           // something needs Route or LookUp; must not block
}

// Reader reads lanes. Its methods may be called concurrently.
type Reader struct {
	opts  *Options
	ctx   context.Context // ends all reading
	tasks sync.WaitGroup
	pool  pool

	mu     sync.Mutex
	lanes  map[string]*lane
	parts  []*part
	read   map[record.Partition]*part // all that were ever started here
	queue  queue                      // decoded, not returned by Next
	budget budget
	loops  map[int32]*loop
	fatal  error
	blind  error // why there is no new metadata
}

// budget counts memory.
type budget struct {
	limit    int64
	used     int64 // bytes of deliveries that wait or are in use
	reserved int64 // what requests that are under way may bring
}

// fits reports whether there is room for n bytes more. A single answer always fits.
func (b *budget) fits(n int64) bool {
	busy := b.used + b.reserved
	return busy == 0 || busy+n <= b.limit
}

// New makes a Reader without lanes. The end of ctx ends all its goroutines.
func New(ctx context.Context, o *Options) *Reader {
	return &Reader{
		opts: o, ctx: ctx, lanes: map[string]*lane{}, read: map[record.Partition]*part{}, loops: map[int32]*loop{},
		queue: queue{ready: make(chan struct{}, 1)}, budget: budget{limit: o.Buffer},
	}
}

// Wait returns once all goroutines have ended.
func (r *Reader) Wait() { r.tasks.Wait() }

// Ready gives a value when Next may have something new to return.
func (r *Reader) Ready() <-chan struct{} { return r.queue.ready }

// Signal makes Ready give a value.
func (r *Reader) Signal() { r.queue.signal() }

// Next returns the next batch, or the error that ends the job. Both are nil if there is none at present.
func (r *Reader) Next() (*driver.Batch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal != nil {
		return nil, r.fatal
	}
	d := r.queue.first()
	if d == nil {
		return nil, nil
	}
	r.queue.remove(d)
	if d.part != nil {
		d.part.out--
		r.wakeLoops()
	}
	return &d.batch, nil
}

// Add takes lanes on, which wait for Start.
func (r *Reader) Add(lanes []cluster.Lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range lanes {
		l := &lane{r: r, name: lanes[i].Name}
		for k := range lanes[i].Parts {
			l.parts = append(l.parts, newPart(l, &lanes[i].Parts[k]))
		}
		r.lanes[l.name] = l
		r.parts = append(r.parts, l.parts...)
	}
}

// Revoke stops to read, and drops what waits.
func (r *Reader) Revoke() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lanes {
		l.gone = true
		l.discard()
	}
	r.queue.signal()
}

// Drop stops to read lanes, and forgets them.
func (r *Reader) Drop(lanes []cluster.Lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range lanes {
		if l := r.lanes[lanes[i].Name]; l != nil {
			l.gone = true
			l.discard()
			delete(r.lanes, l.name)
		}
	}
	var parts []*part
	for _, p := range r.parts {
		if r.lanes[p.lane.name] == p.lane {
			parts = append(parts, p)
		}
	}
	r.parts = parts
	r.queue.signal()
}

// Start begins a lane at its progress. It reports whether the lane is known.
func (r *Reader) Start(st *driver.Start) (known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[st.Lane]
	if l == nil {
		return false, nil
	}
	mine := map[record.Partition]bool{}
	for _, p := range l.parts {
		mine[*p.name] = true
	}
	for name, pr := range st.From {
		if !mine[name] && !pr.Ended {
			return true, &fault.Lost{Partition: name, From: pr.UpTo.Sub, To: -1, Why: "no topic has its ID any more, so it was deleted or made again; sink.Retire takes the partition out, so that the job goes on without"}
		}
	}
	if err := l.fits(st.Warmup); err != nil {
		return true, err
	}
	l.discard()
	now := time.Now()
	for _, p := range l.parts {
		p.plan = newPlan(st.From[*p.name], st, r.opts.Skew)
		r.read[*p.name] = p
		p.route++
		p.asked, p.health = false, health{good: now}
	}
	l.started = true
	l.enter(replaying)
	if st.Warmup > 0 {
		l.enter(warming)
	}
	l.moveOn()
	r.opts.Kick()
	return true, nil
}

// Pause stops or resumes the delivery of a lane.
func (r *Reader) Pause(name string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[name]
	if l == nil || l.paused == on {
		return
	}
	l.paused = on
	for _, p := range l.parts {
		p.health.good = time.Now()
	}
	if !on {
		r.queue.signal()
		r.wakeLoops()
	}
}

// Consumed returns the partition of a topic of which most was consumed since it was started here, and up to which offset;
// nil if there is none.
func (r *Reader) Consumed(topic [16]byte) (most *record.Partition, upTo int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.read {
		if p.id == topic && p.plan.consumed >= upTo {
			most, upTo = p.name, p.plan.consumed
		}
	}
	return most, upTo
}

// Fail makes Next return err.
func (r *Reader) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail(err)
}

// Err is the error that ends the job; nil if there is none.
func (r *Reader) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal
}

// fail needs r.mu.
func (r *Reader) fail(err error) {
	if r.fatal == nil && !errors.Is(err, context.Canceled) {
		r.fatal = err
		r.queue.signal()
	}
}

// wakeLoops makes all loops look for something to ask for.
func (r *Reader) wakeLoops() {
	for _, l := range r.loops {
		l.signal()
	}
}
