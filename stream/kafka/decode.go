package kafka

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
	"github.com/onceflow/onceflow/stream/record"
)

const (
	// piece is how large a delivery may grow until it is handed over and another one begun.
	piece = 2 << 20

	// maxRaw is how much of an undecodable batch goes into its dead letter.
	maxRaw = 1 << 20
)

// decode decodes the data of an ask and hands it over.
func (l *loop) decode(a *ask, buf *buffer) {
	s := l.src
	t := aborts{list: a.aborted}
	d := s.delivery(a.part.lane, a.part, a.from)
	next := a.from
	var err error
	for rest := a.data; len(rest) > 0 && err == nil; {
		if d.arena.used >= piece {
			if !l.hand(a, d, next, false, nil) || !l.room() {
				d = s.delivery(a.part.lane, a.part, next)
				break
			}
			d = s.delivery(a.part.lane, a.part, next)
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
func (l *loop) add(a *ask, d *delivery, h *batch.Header, t *aborts, buf *buffer) error {
	if err := h.Check(); err != nil {
		return err
	}
	if t.skip(h) || h.N == 0 || !a.plan.needs(h.First, h.Last) {
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

// hand gives d to the engine, without what the phase does not deliver.
func (l *loop) hand(a *ask, d *delivery, next int64, last bool, err error) bool {
	kept, missing := a.plan.keep(d.set.Records, next)
	d.set.Records = kept
	if missing != nil && err == nil {
		err = &LostError{Partition: *a.part.name, From: a.plan.heldOffset(a.plan.at), To: a.plan.heldOffset(a.plan.at) + 1, Why: missing.Error()}
	}
	d.finish(a.plan, next)
	return l.src.push(l, a, d, next, last, err)
}

// room waits until there is room for more of an answer that is larger than expected.
func (l *loop) room() bool {
	s := l.src
	for {
		s.mu.Lock()
		free := s.used < s.opts.Buffer
		if !free {
			s.shed(l)
			free = s.used < s.opts.Buffer
		}
		s.mu.Unlock()
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

// unreadable decides how to go on after a batch that cannot be decoded, which is at the start of rest: where, with which
// data, or not at all.
func (l *loop) unreadable(a *ask, d *delivery, h *batch.Header, rest []byte, next int64, cause error) (int64, []byte, error) {
	e := &CorruptError{Partition: *a.part.name, First: max(next, h.First), Last: -1, Err: cause}
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
	if l.src.opts.Corrupt != DeadLetter || a.plan.phase != following || e.Last < next {
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

// spoiled handles that a partition cannot go on at next.
func (s *Source) spoiled(p *part, next int64, err error) {
	p.route++
	p.asked = false
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || s.opts.Corrupt == Stop {
		s.failLocked(err)
		return
	}
	p.plan.next = next
	p.broken = err
	s.opts.Logger.Error("partition is halted", "error", err)
}

// aborts knows which transactions of an answer were aborted. The list of them belongs to this answer alone.
type aborts struct {
	list   []wire.Aborted
	sorted bool
	open   map[int64]struct{} // producers in an aborted transaction
}

// skip reports whether a batch is a marker or aborted.
func (t *aborts) skip(h *batch.Header) bool {
	if !t.sorted {
		slices.SortFunc(t.list, func(a, b wire.Aborted) int { return cmp.Compare(a.First, b.First) })
		t.sorted = true
	}
	for len(t.list) > 0 && t.list[0].First <= h.Last {
		if t.open == nil {
			t.open = map[int64]struct{}{}
		}
		t.open[t.list[0].Producer] = struct{}{}
		t.list = t.list[1:]
	}
	if h.Control() {
		if h.Abort() {
			delete(t.open, h.Producer)
		}
		return true
	}
	_, aborted := t.open[h.Producer]
	return aborted && h.Transactional()
}
