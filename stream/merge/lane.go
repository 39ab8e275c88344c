package merge

import (
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge/internal/order"
	"github.com/onceflow/onceflow/stream/record"
)

// lane is a lane of this process. The goroutine of Poll uses it.
type lane struct {
	memory *memory
	board  *board
	rule   *order.Rule

	id   string // of its partitions
	name string
	in   []input // by side

	gone    bool // not ours any more
	started bool
	run     int // counts Starts
	paused  bool
	ready   bool // among Source.ready

	warming int             // sides whose warm-up is not over
	warm    []*driver.Batch // of warm-ups
	owed    int             // pending records that the sides have not brought
	back    []*chunk        // pending records
	loose   []*chunk        // without records, which nothing is in front of
	order   *order.Merge    // of new records
}

// input is a partition of a lane.
type input struct {
	lane   string // as the side's source calls it
	part   record.Partition
	queue  []*chunk // new records
	held   int64    // bytes in queue
	paused bool
	upTo   record.Position // of the start
	last   record.Position // that the side has brought
	owed   int
	told   order.Counts
	left   bool // as it was noted; see tell.go
	astray bool
}

// start begins the lane anew.
func (l *lane) start(st *driver.Start) {
	l.clear()
	l.run++
	l.started, l.order, l.warming, l.owed = true, order.New(len(l.in), l.rule), 0, 0
	for i := range l.in {
		in := &l.in[i]
		from := st.From[in.part]
		in.upTo, in.last, in.told, in.owed = from.UpTo, from.UpTo, order.Counts{}, from.Pending.Len()
		l.owed += in.owed
		if from.Ended {
			l.order.End(i)
		}
		if st.Warmup > 0 {
			l.warming++
		}
	}
}

// clear drops what waits.
func (l *lane) clear() {
	for i := range l.in {
		l.board.note(l, i, false, false)
	}
	for _, b := range l.warm {
		b.Release()
	}
	for _, c := range slices.Concat(l.back, l.loose) {
		c.release()
	}
	for i := range l.in {
		for _, c := range l.in[i].queue {
			c.leave()
		}
		l.in[i].queue, l.in[i].held = nil, 0
	}
	l.warm, l.back, l.loose = nil, nil, nil
}

// took takes in a batch of side i.
func (l *lane) took(i int, b *driver.Batch) {
	if b.Warm || b.WarmDone {
		l.warm = append(l.warm, b)
		return
	}
	in := &l.in[i]
	records, dead := items(b)
	n := 0
	for n < len(records) && !records[n].Position.After(in.upTo) { // pending ones
		n++
	}
	if n > 0 {
		l.back = append(l.back, l.memory.copied(records[:n], dead, 0))
		got := min(n, in.owed)
		in.owed -= got
		l.owed -= got
	}
	var c *chunk
	if n < len(records) {
		c = l.memory.lent(l, i, b, records[n:], dead, n)
		in.queue = append(in.queue, c)
		in.held += c.bytes
		in.last = records[len(records)-1].Position
		l.order.Push(i, l.memory.timesOf(c), time.Now())
	}
	l.behind(i, c, b)
	if c == nil {
		b.Release()
	}
}

// behind keeps what a batch says behind its records, c. It waits for those before it, too.
func (l *lane) behind(i int, c *chunk, b *driver.Batch) {
	came := b.Arrivals
	if n := len(b.Records); !b.Undated && n > 0 && !b.Records[n-1].Time.IsZero() { // sides differ in whether their records have such times
		came = []driver.Arrival{{Partition: *b.Records[n-1].Partition, At: b.Records[n-1].Time}}
	}
	if len(b.Passed)+len(b.Marks)+len(b.Ended) == 0 && (len(came) == 0 || c == nil) {
		return
	}
	in := &l.in[i]
	if c == nil {
		if n := len(in.queue); n > 0 {
			c = in.queue[n-1]
		} else {
			c = l.memory.copied(nil, nil, 0)
			l.loose = append(l.loose, c)
		}
	}
	c.passed, c.marks, c.ended = append(c.passed, b.Passed...), append(c.marks, b.Marks...), append(c.ended, b.Ended...)
	c.came = append(c.came, came...)
	for _, p := range b.Passed {
		if p.UpTo.After(in.last) {
			in.last = p.UpTo
		}
	}
	if len(b.Ended) > 0 {
		l.order.End(i)
	}
}

// next returns the lane's next batch; nil is none.
func (l *lane) next(now time.Time) *driver.Batch {
	if l.paused || !l.started {
		return nil
	}
	if b := l.nextWarm(); b != nil || l.warming > 0 {
		return b
	}
	d := l.memory.delivery(l.name)
	for _, c := range l.back {
		d.take(c, c.left())
		c.release()
	}
	if l.back = nil; !d.empty() {
		return &d.batch
	}
	if l.owed == 0 {
		l.merge(d, now)
	}
	if d.empty() {
		d.release()
		return nil
	}
	return &d.batch
}

// nextWarm passes on what is read for a warm-up. It is over once it is for all sides.
func (l *lane) nextWarm() *driver.Batch {
	for len(l.warm) > 0 {
		b := l.warm[0]
		l.warm = l.warm[1:]
		b.Lane = l.name
		if b.WarmDone {
			l.warming--
			b.WarmDone = l.warming == 0
		}
		if b.WarmDone || len(b.Records) > 0 {
			return b
		}
		b.Release()
	}
	return nil
}

const (
	mostRecords = 1024 // of a batch
	mostBytes   = 1 << 20
)

// merge fills d with new records.
func (l *lane) merge(d *delivery, now time.Time) {
	for _, c := range l.loose {
		d.take(c, 0)
		c.release()
	}
	l.loose = nil
	for len(d.batch.Records) < mostRecords && d.batch.Bytes < mostBytes {
		i, n := l.order.Next(now, mostRecords-len(d.batch.Records))
		if n == 0 {
			break
		}
		l.deliver(d, i, n)
	}
	l.board.count(l)
}

// deliver moves the next n records of side i into d.
func (l *lane) deliver(d *delivery, i, n int) {
	in := &l.in[i]
	for n > 0 {
		c := in.queue[0]
		k := min(n, c.left())
		in.held -= d.take(c, k)
		if n -= k; c.left() == 0 {
			in.queue[0] = nil
			if in.queue = in.queue[1:]; len(in.queue) == 0 {
				in.queue = nil
			}
			c.leave()
		}
	}
}
