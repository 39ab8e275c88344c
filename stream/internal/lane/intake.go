package lane

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// intake takes in the records of a batch. It tells new records from pending ones that come back and from those that were
// delivered before. The warm-up comes first, then the pending records of the base, then new ones.
//
// Until all pending records are back, no record of the lane finishes and no cut includes the lane, so its state in the
// ledger does not change.
type intake struct {
	parts   *partitions
	clocks  *clocks
	flight  *flight
	scratch *Scratch

	// The batch that the lane is within. Cuts, revocations and the end of the job do not wait for its end: unprocessed
	// records are no part of a cut, and the next owner of the lane reads them again.
	batch *driver.Batch
	next  int                 // index of the first record that was not processed
	bad   []driver.DeadLetter // unreadable records that did not take their place yet, by position

	warming   bool
	replaying int // pending records of the base that are not back
	returned  []uint32
	pinned    []*driver.Batch // kept until all pending records are back, for the rows that wait

	read      int64 // records, since the lane was opened
	redeliver int64 // records that came again
}

// ready reports whether warm-up and pending records are behind us.
func (in *intake) ready() bool { return !in.warming && in.replaying == 0 && len(in.returned) == 0 }

// within notes that the lane is within b. It returns false if it was already.
func (in *intake) within(b *driver.Batch) bool {
	if in.batch == b {
		return false
	}
	in.batch, in.next, in.bad = b, 0, byPosition(b.Unreadable)
	return true
}

// leave forgets the batch that the lane is within.
func (in *intake) leave() { in.batch, in.next, in.bad = nil, 0, nil }

// giveBack releases a processed batch. It keeps the batch while rows wait for pending records, since they may share its
// bytes.
func (in *intake) giveBack(b *driver.Batch) {
	if b.Warm {
		b.Release()
		return
	}
	in.pinned = append(in.pinned, b)
	if len(in.returned) == 0 {
		in.unpin()
	}
}

// unpin gives all batches back.
func (in *intake) unpin() {
	for i, b := range in.pinned {
		b.Release()
		in.pinned[i] = nil
	}
	in.pinned = in.pinned[:0]
}

// admit makes events of the records of a batch with indexes from from up to to, exclusive. It leaves out records that were
// delivered before.
func (in *intake) admit(b *driver.Batch, from, to int) error {
	in.flight.begin(b.Records)
	events := in.scratch.events[:0]
	for i := from; i < to; i++ {
		r := &b.Records[i]
		at, err := in.parts.index(r.Partition)
		if err != nil {
			return err
		}
		if len(in.bad) > 0 {
			if err := in.admitBad(r); err != nil {
				return err
			}
		}
		slot, ok, err := in.enter(at, r.Position, i)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		e := record.Event[record.Record]{Value: *r, Time: r.Time, Origin: record.OriginOf(slot, in.flight.slots.slots[slot].gen)}
		if !in.clocks.decodes {
			e.Time = e.Time.Round(0).UTC()
			if !in.clocks.Usable(e.Time) {
				in.flight.reject(slot, driver.DeadLetter{Stage: "source", Err: stage.ErrEventTime})
				continue
			}
			in.clocks.SetTime(e.Origin, e.Time, e.Time)
		}
		events = append(events, e)
	}
	in.scratch.events = events
	if to < len(b.Records) {
		return nil
	}
	return in.admitBad(nil)
}

// byPosition sorts unreadable records by their positions.
func byPosition(bad []driver.DeadLetter) []driver.DeadLetter {
	if len(bad) == 0 {
		return nil
	}
	bad = slices.Clone(bad)
	slices.SortStableFunc(bad, func(x, y driver.DeadLetter) int { return x.Record.Position.Compare(y.Record.Position) })
	return bad
}

// admitBad takes in the unreadable records that come before r in its partition, so that all records are taken in order; nil
// takes all that are left. Unreadable records of other partitions wait for a record of their own: if a position were passed
// too early, readable records before it would count as delivered.
func (in *intake) admitBad(r *record.Record) error {
	bad, kept := in.bad, in.bad[:0]
	for i := range bad {
		d := bad[i]
		if r != nil && d.Record.Position.After(r.Position) {
			kept = append(kept, bad[i:]...)
			break
		}
		if r != nil && d.Record.Partition != nil && *d.Record.Partition != *r.Partition {
			kept = append(kept, d)
			continue
		}
		at, err := in.parts.index(d.Record.Partition)
		if err != nil {
			return err
		}
		slot, ok, err := in.enter(at, d.Record.Position, -1)
		if err != nil {
			return err
		}
		if ok {
			d.Stage = cmp.Or(d.Stage, "source")
			in.flight.reject(slot, d)
		}
	}
	in.bad = kept
	return nil
}

// enter makes a slot for a record of the batch, at index rec of it, and moves the partition's position. It returns false
// for a record that was delivered before and is not pending.
func (in *intake) enter(at uint32, pos record.Position, rec int) (slot uint32, ok bool, err error) {
	p := &in.parts.list[at]
	var ord uint64
	replayed := !pos.After(p.upTo)
	if replayed {
		if ord, ok, err = p.back.take(p.id, pos, &in.flight.source); err != nil {
			return 0, false, fmt.Errorf("stream: %v: %w", p.id, err)
		}
		if !ok {
			return 0, false, in.cameAgain(at, pos, rec)
		}
	} else {
		if err := in.mayRead(p, pos); err != nil {
			return 0, false, err
		}
		p.upTo, in.parts.dirty = pos, true
		p.read++
		in.read++
		if ord = uint64(pos.Sub); pos.Seq != "" {
			ord = p.next
			p.next++
		}
	}
	slot, s := in.flight.add(at, pos, rec)
	s.ord, s.eventTime = ord, p.maxMicro()
	if replayed {
		s.flags |= flagReplayed
		s.holds = 1 // by the engine, until all are back
		s.eventTime = min(s.eventTime, when.Later(time.Time{}, p.base.PendingTime).UnixMicro())
		in.returned = append(in.returned, slot)
		in.replaying--
	} else if rec >= 0 {
		p.newest = int32(rec) + 1
	}
	return slot, true, nil
}

// mayRead checks that a new record may come now.
func (in *intake) mayRead(p *part, pos record.Position) error {
	switch {
	case in.warming:
		return in.beforeWarm(p, pos)
	case in.replaying > 0:
		return fmt.Errorf("%w: %s of %v came before %d pending records of lane %s were back", ErrSource, in.flight.source.Print(p.id, pos), p.id, in.replaying, in.parts.lane)
	case p.ended:
		return fmt.Errorf("%w: %s of %v came after the partition's end", ErrSource, in.flight.source.Print(p.id, pos), p.id)
	}
	return nil
}

func (in *intake) beforeWarm(p *part, pos record.Position) error {
	return fmt.Errorf("%w: %s of %v came before the warm-up of lane %s was done", ErrSource, in.flight.source.Print(p.id, pos), p.id, in.parts.lane)
}

// cameAgain leaves out a record that was delivered before. Within one batch positions must ascend, since a source that
// delivers out of order would lose records here.
func (in *intake) cameAgain(at uint32, pos record.Position, rec int) error {
	in.redeliver++
	if in.warming {
		return in.beforeWarm(&in.parts.list[at], pos)
	}
	records := in.flight.records
	for i := rec - 1; i >= 0; i-- {
		q, err := in.parts.index(records[i].Partition)
		if err != nil || q != at {
			continue
		}
		if !pos.After(records[i].Position) {
			return fmt.Errorf("%w: %s of %v came behind %s in one batch", ErrSource, in.flight.source.Print(in.parts.list[at].id, pos), in.parts.list[at].id, in.flight.source.Print(in.parts.list[at].id, records[i].Position))
		}
		break
	}
	return nil
}

// allBack lets the records that came back finish, once all are back. It reports whether that happened now.
func (in *intake) allBack() bool {
	if len(in.returned) == 0 || in.replaying > 0 {
		return false
	}
	for _, i := range in.returned {
		in.flight.release(i)
	}
	in.returned = in.returned[:0]
	return true
}

// admitWarm makes events of warm-up records with indexes from from up to to, exclusive.
func (in *intake) admitWarm(b *driver.Batch, from, to int) error {
	if !in.warming {
		return fmt.Errorf("%w: lane %s got warm-up records that it did not ask for", ErrSource, in.parts.lane)
	}
	in.flight.begin(b.Records)
	in.scratch.events = in.scratch.events[:0]
	for i := from; i < to; i++ {
		r := &b.Records[i]
		at, err := in.parts.elderOrOwn(r.Partition)
		if err != nil {
			return err
		}
		slot, s := in.flight.addWarm(at, r.Position, i)
		e := record.Event[record.Record]{Value: *r, Time: r.Time.Round(0).UTC(), Origin: record.OriginOf(slot, s.gen)}
		if in.clocks.decodes || stage.UsableTime(e.Time) {
			in.scratch.events = append(in.scratch.events, e)
		}
	}
	return nil
}
