package kafka

import (
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
	"github.com/onceflow/onceflow/stream/record"
)

// delivery is a batch for the engine, with the memory that its records lie in.
type delivery struct {
	batch driver.Batch
	src   *Source
	lane  *lane
	part  *part // nil if it only says that a warm-up is over
	plan  *plan
	from  int64 // where the partition stood before it

	number int // among those that wait for Poll

	set    batch.Set
	arena  arena
	buf    *buffer // in which uncompressed records lie; nil if there are none
	shared int64   // bytes of those
	passed [1]driver.Passed
	marks  []driver.Mark // epochs
	epoch  int32         // of the last one
	done   func()        // release, made once
}

const recordSize = int64(unsafe.Sizeof(record.Record{}))

func (s *Source) delivery(l *lane, p *part, from int64) *delivery {
	s.pool.mu.Lock()
	var d *delivery
	if n := len(s.pool.deliveries); n > 0 {
		d = s.pool.deliveries[n-1]
		s.pool.deliveries = s.pool.deliveries[:n-1]
	}
	s.pool.mu.Unlock()
	if d == nil {
		d = &delivery{src: s, arena: arena{pool: &s.pool}}
		d.done = d.release
	}
	d.lane, d.part, d.from = l, p, from
	d.batch = driver.Batch{Lane: l.name, Done: d.done}
	return d
}

// use says that records lie in b as they came.
func (d *delivery) use(b *buffer, bytes int) {
	if d.buf == nil {
		d.buf = b
		b.refs.Add(1)
	}
	d.shared += int64(bytes)
}

// mark notes the leader epoch of a batch whose first offset that counts is first. With it the broker can tell, even in the
// next run, whether its log is the one that was read.
func (d *delivery) mark(epoch int32, first int64) {
	if len(d.marks) == 0 || d.epoch != epoch {
		d.epoch = epoch
		d.marks = append(d.marks, driver.Mark{Partition: *d.part.name, At: record.Position{Sub: first + 1}, Text: strconv.Itoa(int(epoch))})
	}
}

// unknownEpoch is that of a batch whose head cannot be trusted.
const unknownEpoch = -1

// epochOf is the leader epoch of a mark; -1 if there is none.
func epochOf(mark string) int32 {
	n, err := strconv.ParseInt(mark, 10, 32)
	if err != nil || n < 0 {
		return unknownEpoch
	}
	return int32(n)
}

// finish sets what the engine is told, when the partition has been read up to next.
func (d *delivery) finish(k *plan, next int64) {
	d.plan = k
	d.batch.Records = d.set.Records
	d.batch.Warm = k.phase == warming
	d.batch.Bytes = d.arena.used + d.shared + int64(len(d.set.Records))*recordSize
	if k.phase != following {
		return
	}
	d.batch.Marks = d.marks
	last := d.from
	if n := len(d.set.Records); n > 0 {
		last = d.set.Records[n-1].Position.Sub
	}
	if n := len(d.batch.Unreadable); n > 0 {
		last = max(last, d.batch.Unreadable[n-1].Record.Position.Sub)
	}
	if next > last {
		d.passed[0] = driver.Passed{Partition: *d.part.name, UpTo: record.Position{Sub: next}}
		d.batch.Passed = d.passed[:]
	}
}

// empty reports whether there is nothing to tell the engine.
func (d *delivery) empty() bool {
	b := &d.batch
	return len(b.Records) == 0 && len(b.Unreadable) == 0 && len(b.Passed) == 0 && !b.WarmDone
}

// release is Batch.Done.
func (d *delivery) release() {
	s := d.src
	s.mu.Lock()
	s.used -= d.batch.Bytes
	s.wakeLoops()
	s.mu.Unlock()
	d.recycle()
}

// recycle gives the memory back.
func (d *delivery) recycle() {
	d.set.Reset()
	d.arena.reset()
	d.buf.release(&d.src.pool)
	d.marks = nil // the engine may keep them a little longer
	d.buf, d.shared, d.lane, d.part, d.plan = nil, 0, nil, nil, nil
	d.batch = driver.Batch{}
	p := &d.src.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.deliveries) < keepDeliveries {
		p.deliveries = append(p.deliveries, d)
	}
}

// queueUp makes d wait for Poll.
func (s *Source) queueUp(d *delivery) {
	s.queue.add(d)
	s.used += d.batch.Bytes
	if d.part != nil {
		d.part.out++
	}
	s.signal()
}

// discard drops what waits for Poll of a lane.
func (s *Source) discard(l *lane) {
	for len(l.waiting) > 0 {
		s.unqueue(l.waiting[0])
	}
}

func (s *Source) unqueue(d *delivery) {
	s.queue.remove(d)
	s.used -= d.batch.Bytes
	if d.part != nil {
		d.part.out--
	}
	d.recycle()
}

// shed makes room when only paused lanes stand in the way of l: what waits of them is dropped and fetched again later.
// It reports whether l can ask for something now.
func (s *Source) shed(l *loop) bool {
	short := slices.ContainsFunc(s.parts, func(p *part) bool {
		_, noRoom := s.wants(l, p)
		return noRoom && p.out < ahead
	})
	if !short {
		return false
	}
	rewound := map[*part]bool{}
	for _, d := range s.queue.all() {
		p := d.part
		if !d.lane.paused || p == nil || p.working != nil || d.plan != p.plan || d.plan.phase != following {
			continue
		}
		if !rewound[p] { // the first one in the queue is the oldest
			rewound[p] = true
			p.plan.next, p.plan.lastEpoch = d.from, -1
			p.plan.consumed = min(p.plan.consumed, max(d.from, p.plan.upTo))
			p.route++
			p.asked = false
		}
		s.unqueue(d)
	}
	return len(rewound) > 0 && slices.ContainsFunc(s.parts, func(p *part) bool {
		ask, _ := s.wants(l, p)
		return ask
	})
}

// moveOn takes a lane into its next phase once this one is over, and tells when a warm-up is.
func (s *Source) moveOn(l *lane) {
	if l.advance() {
		d := s.delivery(l, nil, 0)
		d.batch.Warm, d.batch.WarmDone = true, true
		s.queueUp(d)
	}
	s.wakeLoops()
	for _, p := range l.parts {
		if p.look {
			s.wakeRouter()
		}
	}
}

// wakeLoops makes all loops look for something to ask for.
func (s *Source) wakeLoops() {
	for _, l := range s.loops {
		l.signal()
	}
}

// signal wakes Poll.
func (s *Source) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// push hands over what was decoded of an ask, which goes on at next. last says that nothing more comes of it, and err
// that the partition cannot go on.
func (s *Source) push(l *loop, a *ask, d *delivery, next int64, last bool, err error) (current bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, k := a.part, a.plan
	if last {
		s.giveBack(a)
		p.out--
		if p.working == l {
			p.working = nil
		}
		defer l.signal()
	}
	if p.plan != k || p.lane.gone {
		d.recycle()
		return false
	}
	if d.batch.Bytes > 0 {
		p.size = (3*p.size + d.batch.Bytes) / 4
	}
	if n := len(d.set.Records); n > 0 && k.phase == following {
		k.consumed = d.set.Records[n-1].Position.Sub
		p.marked(&d.set.Records[0])
	}
	if d.empty() {
		d.recycle()
	} else {
		s.queueUp(d)
	}
	switch {
	case err != nil:
		s.spoiled(p, next, err)
	case last && k.fetched:
		k.done = true
		s.moveOn(p.lane)
	}
	p.good = time.Now()
	return true
}
