package fetch

import (
	"strconv"
	"unsafe"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
	"github.com/onceflow/onceflow/stream/record"
)

// delivery is a batch for the engine, with the memory that its records lie in.
type delivery struct {
	batch driver.Batch
	r     *Reader
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
	came   [1]driver.Arrival
	marks  []driver.Mark // epochs
	epoch  int32         // of the last one
	done   func()        // release, made once
}

const recordSize = int64(unsafe.Sizeof(record.Record{}))

// use says that records lie in b as they came.
func (d *delivery) use(b *buffer, bytes int) {
	if d.buf == nil {
		d.buf = b
		b.refs.Add(1)
	}
	d.shared += int64(bytes)
}

// mark notes the leader epoch of a batch; first is its first offset that counts. With it the broker can tell, even in the
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

// finish fills in what the engine is told once the partition has been read up to next.
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
	r := d.r
	r.mu.Lock()
	r.budget.used -= d.batch.Bytes
	r.wakeLoops()
	r.mu.Unlock()
	d.recycle()
}

// recycle gives the memory back.
func (d *delivery) recycle() {
	d.set.Reset()
	d.arena.reset()
	d.buf.release(&d.r.pool)
	d.marks = nil // the engine may keep them a little longer
	d.buf, d.shared, d.lane, d.part, d.plan = nil, 0, nil, nil, nil
	d.batch = driver.Batch{}
	d.r.pool.keep(d)
}

// queueUp makes d wait for Next.
func (d *delivery) queueUp() {
	d.r.queue.add(d)
	d.r.budget.used += d.batch.Bytes
	if d.part != nil {
		d.part.out++
	}
	d.r.queue.signal()
}

// unqueue drops d, which waits for Next.
func (d *delivery) unqueue() {
	d.r.queue.remove(d)
	d.r.budget.used -= d.batch.Bytes
	if d.part != nil {
		d.part.out--
	}
	d.recycle()
}
