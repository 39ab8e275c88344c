package merge

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// chunk is what a batch of a side brought. Its records lie in the batch, as long as they do not wait for long, or are copied.
type chunk struct {
	records []record.Record
	batch   *driver.Batch             // in which the records lie; nil if they are copied
	loan    *loan                     // of the batch, while it is in a queue
	dead    map[int]driver.DeadLetter // unreadable ones, by index in records
	next    int                       // first that has not gone
	bytes   int64                     // of those that have not gone
	each    int64                     // bytes of one, about
	in      int64                     // number of the last delivery that some have gone to

	// Said once all records have gone, and marks once theirs have.
	passed []driver.Passed
	came   []driver.Arrival
	marks  []driver.Mark
	ended  []driver.Ended

	own     []record.Record // copies
	buf     []byte
	headers []record.Header
	refs    atomic.Int32 // the queue and each delivery
	pool    *sync.Pool
}

const overhead = int64(unsafe.Sizeof(record.Record{}))

// items puts the unreadable records of a batch among the others, by position. dead has their indexes.
func items(b *driver.Batch) (records []record.Record, dead map[int]driver.DeadLetter) {
	if len(b.Unreadable) == 0 {
		return b.Records, nil
	}
	bad := slices.Clone(b.Unreadable)
	slices.SortStableFunc(bad, func(x, y driver.DeadLetter) int { return x.Record.Position.Compare(y.Record.Position) })
	dead = map[int]driver.DeadLetter{}
	for i := range b.Records {
		for len(bad) > 0 && b.Records[i].Position.After(bad[0].Record.Position) {
			dead[len(records)] = bad[0]
			records, bad = append(records, bad[0].Record), bad[1:]
		}
		records = append(records, b.Records[i])
	}
	for i := range bad {
		dead[len(records)] = bad[i]
		records = append(records, bad[i].Record)
	}
	return records, dead
}

// fill copies records.
func (c *chunk) fill(records []record.Record) {
	size, headers := 0, 0
	for i := range records {
		r := &records[i]
		size += len(r.Key) + len(r.Value)
		headers += len(r.Headers)
		for h := range r.Headers {
			size += len(r.Headers[h].Value)
		}
	}
	if cap(c.buf) < size {
		c.buf = make([]byte, 0, size+size/4)
	}
	c.headers = slices.Grow(c.headers[:0], headers)
	c.own = append(c.own[:0], records...)
	c.records, c.buf = c.own, c.buf[:0]
	for i := range c.records {
		r := &c.records[i]
		r.Key, r.Value = c.copy(r.Key), c.copy(r.Value)
		if len(r.Headers) > 0 {
			from := len(c.headers)
			c.headers = append(c.headers, r.Headers...)
			r.Headers = c.headers[from:len(c.headers):len(c.headers)]
			for h := range r.Headers {
				r.Headers[h].Value = c.copy(r.Headers[h].Value)
			}
		}
	}
	c.weigh(int64(size) + int64(len(records))*overhead)
}

// weigh says how many bytes the records have.
func (c *chunk) weigh(bytes int64) {
	c.bytes, c.each = bytes, bytes/int64(max(len(c.records), 1))
}

// bury notes unreadable ones by their indexes, which are from ahead of the chunk's.
func (c *chunk) bury(dead map[int]driver.DeadLetter, from int) {
	for i, d := range dead {
		if i -= from; i < 0 || i >= len(c.records) {
			continue
		}
		if c.dead == nil {
			c.dead = map[int]driver.DeadLetter{}
		}
		c.dead[i] = d
	}
}

func (c *chunk) copy(b []byte) []byte {
	if b == nil {
		return nil
	}
	from := len(c.buf)
	c.buf = append(c.buf, b...)
	return c.buf[from:len(c.buf):len(c.buf)]
}

func (c *chunk) left() int { return len(c.records) - c.next }

// leave is release for the queue, which does not look at it any more.
func (c *chunk) leave() {
	if c.loan != nil {
		c.loan.chunk = nil
		c.loan = nil
	}
	c.release()
}

// release gives up one use. Any goroutine may be the last.
func (c *chunk) release() {
	if c.refs.Add(-1) > 0 {
		return
	}
	if c.batch != nil {
		c.batch.Release()
	}
	clear(c.own)
	clear(c.headers)
	c.records, c.batch, c.own, c.headers, c.buf, c.dead = nil, nil, c.own[:0], c.headers[:0], c.buf[:0], nil
	c.passed, c.came, c.marks, c.ended, c.next, c.in = nil, nil, nil, nil, 0, 0
	if cap(c.buf) <= kept {
		c.pool.Put(c)
	}
}

// kept is how much memory a chunk may have that is used again.
const kept = 4 << 20

// delivery is a batch for the engine.
type delivery struct {
	batch  driver.Batch
	number int64 // of all
	chunks []*chunk
	pool   *sync.Pool
	done   func() // release, made once
}

// take moves the next n records of c into the delivery, and returns how many bytes those are. What follows the last record of c
// comes with it.
func (d *delivery) take(c *chunk, n int) (bytes int64) {
	if c.in != d.number {
		c.in = d.number
		c.refs.Add(1)
		d.chunks = append(d.chunks, c)
	}
	if bytes = c.bytes; n < c.left() {
		bytes = c.each * int64(n)
	}
	c.bytes -= bytes
	d.batch.Bytes += bytes
	some := c.records[c.next : c.next+n]
	if c.dead == nil {
		d.batch.Records = append(d.batch.Records, some...)
	} else {
		for i := range some {
			if bad, ok := c.dead[c.next+i]; ok {
				bad.Record = some[i]
				d.batch.Unreadable = append(d.batch.Unreadable, bad)
			} else {
				d.batch.Records = append(d.batch.Records, some[i])
			}
		}
	}
	c.next += n
	if len(c.marks) > 0 {
		d.mark(c)
	}
	if c.left() == 0 {
		d.batch.Passed = append(d.batch.Passed, c.passed...)
		d.batch.Arrivals = append(d.batch.Arrivals, c.came...)
		d.batch.Ended = append(d.batch.Ended, c.ended...)
	}
	return bytes
}

// mark takes the marks of what has gone.
func (d *delivery) mark(c *chunk) {
	n := len(c.marks)
	if c.left() > 0 {
		at := c.records[c.next].Position // which has not gone
		for n = 0; n < len(c.marks) && at.After(c.marks[n].At); {
			n++
		}
	}
	d.batch.Marks = append(d.batch.Marks, c.marks[:n]...)
	c.marks = c.marks[n:]
}

func (d *delivery) empty() bool {
	b := &d.batch
	return len(b.Records)+len(b.Unreadable)+len(b.Passed)+len(b.Marks)+len(b.Ended) == 0
}

// release is Batch.Done.
func (d *delivery) release() {
	for i, c := range d.chunks {
		c.release()
		d.chunks[i] = nil
	}
	d.chunks = d.chunks[:0]
	records := d.batch.Records
	clear(records)
	d.batch = driver.Batch{Records: records[:0]}
	d.pool.Put(d)
}
