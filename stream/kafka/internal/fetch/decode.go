package fetch

import (
	"bytes"
	"errors"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/record"
)

const (
	// piece is the size at which a delivery is handed over and another one begun.
	piece = 2 << 20

	// maxRaw is how much of an undecodable batch goes into its dead letter.
	maxRaw = 1 << 20
)

// decode decodes the data of an ask and hands it over.
func (l *loop) decode(a *ask, buf *buffer) {
	t := batch.Aborts{List: a.aborted}
	d := a.part.lane.delivery(a.part, a.from)
	next := a.from
	var err error
	for rest := a.data; len(rest) > 0 && err == nil; {
		if d.arena.used >= piece {
			if !l.hand(a, d, next, false, nil) || !l.room() {
				d = a.part.lane.delivery(a.part, next)
				break
			}
			d = a.part.lane.delivery(a.part, next)
		}
		var h batch.Header
		var after []byte
		after, err = batch.Next(rest, &h)
		if err == nil && h.Last >= next {
			err = l.add(a, d, &h, &t, buf)
		}
		if err != nil {
			d.mark(unknownEpoch, next)
			next, after, err = l.unreadable(a, d, &h, rest, next, err)
		} else if h.Last >= next {
			d.mark(h.Epoch, max(h.First, next))
			next = h.Last + 1
		}
		rest = after
	}
	l.hand(a, d, next, true, err)
	a.data = nil
}

// add decodes one batch.
func (l *loop) add(a *ask, d *delivery, h *batch.Header, t *batch.Aborts, buf *buffer) error {
	if err := h.Check(); err != nil {
		return err
	}
	if t.Skip(h) || h.N == 0 || !a.plan.needs(h.First, h.Last) {
		return nil
	}
	var room []byte
	if h.Compressed() {
		room = d.arena.room(int(float64(h.Size)*l.ratio) + 1024)
	}
	plain, err := l.dec.Plain(h, room)
	if err != nil {
		return err
	}
	if err := l.dec.Append(&d.set, h, plain, a.part.name, a.from); err != nil {
		return err
	}
	if !h.Compressed() {
		d.use(buf, h.Size)
		return nil
	}
	d.arena.took(plain)
	l.ratio = 0.9*l.ratio + 0.1*1.2*float64(len(plain))/float64(h.Size)
	return nil
}

// hand gives d to the engine, without the records that the phase does not deliver.
func (l *loop) hand(a *ask, d *delivery, next int64, last bool, err error) bool {
	kept, missing := a.plan.keep(d.set.Records, next)
	d.set.Records = kept
	if missing != nil && err == nil {
		err = &fault.Lost{Partition: *a.part.name, From: a.plan.pendingOffset(a.plan.at), To: a.plan.pendingOffset(a.plan.at) + 1, Why: missing.Error()}
	}
	d.finish(a.plan, next)
	return l.push(a, d, next, last, err)
}

// push hands over what was decoded of an ask, which goes on at next. last says that nothing more comes of it, err that the
// partition cannot go on.
func (l *loop) push(a *ask, d *delivery, next int64, last bool, err error) (current bool) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	p, k := a.part, a.plan
	if last {
		l.giveBack(a)
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
	} else if k.phase == following && !p.end.asked.IsZero() && next >= p.end.offset {
		d.came[0] = driver.Arrival{Partition: *p.name, At: p.end.asked, Machine: true}
		d.batch.Arrivals, p.end.asked = d.came[:], time.Time{}
		d.queueUp()
	} else {
		d.queueUp()
	}
	switch {
	case err != nil:
		p.spoiled(next, err)
	case last && k.fetched:
		k.done = true
		p.lane.moveOn()
	}
	p.health.good = time.Now()
	return true
}

// room waits for room if an answer is larger than expected.
func (l *loop) room() bool {
	r := l.r
	for {
		r.mu.Lock()
		free := r.budget.used < r.budget.limit
		if !free {
			l.shed()
			free = r.budget.used < r.budget.limit
		}
		r.mu.Unlock()
		if free {
			return true
		}
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			return false
		}
	}
}

// unreadable decides how to go on after a batch that cannot be decoded, which is at the start of rest. It returns the next
// offset and the data after the batch, or an error if the partition must stop.
func (l *loop) unreadable(a *ask, d *delivery, h *batch.Header, rest []byte, next int64, cause error) (int64, []byte, error) {
	e := &fault.Corrupt{Partition: *a.part.name, First: max(next, h.First), Last: -1, Err: cause}
	var after []byte
	switch {
	case h.Size == 0 || h.Size > len(rest):
		e.First = next // not even the head is sound
	case h.Check() == nil:
		e.Last, after = h.Last, rest[h.Size:]
	default: // the head may be wrong too: rather believe the next one
		var following batch.Header
		after = rest[h.Size:]
		if _, err := batch.Next(after, &following); (err == nil || errors.Is(err, batch.ErrPartial) && following.Size > 0) && following.First > h.First {
			e.Last = following.First - 1
		} else if h.Last >= next && h.Last < a.part.stable() {
			e.Last = h.Last
		}
	}
	if !l.r.opts.DeadLetters || a.plan.phase != following || e.Last < next {
		if a.plan.phase == replaying && e.Last >= next && !a.plan.needs(next, e.Last) {
			return e.Last + 1, after, nil // nobody wants it
		}
		return next, nil, e
	}
	d.batch.Unreadable = append(d.batch.Unreadable, driver.DeadLetter{
		Record: record.Record{
			Partition: a.part.name, Position: record.Position{Sub: e.Last + 1}, Value: bytes.Clone(rest[:min(h.Size, maxRaw)]),
		},
		Stage: "kafka", Err: e, Read: time.Now(),
	})
	return e.Last + 1, after, nil
}
