package lane

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
)

// settle finishes the touched records that nobody holds. Their waiting rows are written first, then they get their fates.
func (f *flight) settle(ctx context.Context) error {
	touched := f.scratch.touched
	if f.end.waiting() > 0 {
		if finished := f.withRows(touched); len(finished) > 0 {
			if err := f.end.unstash(ctx, finished); err != nil {
				return err
			}
		}
	}
	for _, i := range touched {
		if !f.finished(i) {
			continue
		}
		for m, more := i, true; more; {
			next := f.slots.slots[m].next
			more = next != i
			f.finish(m)
			m = next
		}
	}
	f.scratch.touched = touched[:0]
	if len(f.dead) == 0 {
		return nil
	}
	err := f.end.reject(ctx, f.dead)
	for _, n := range f.noters {
		for i := range f.dead {
			n.Buried(&f.dead[i].Record)
		}
	}
	clear(f.dead)
	f.dead = f.dead[:0]
	return err
}

// withRows returns the slots that have waiting rows, of those touched groups that are finished.
func (f *flight) withRows(touched []uint32) (slots []uint32) {
	for _, i := range touched {
		if !f.finished(i) {
			continue
		}
		root := &f.slots.slots[f.slots.root(i)]
		if root.flags&flagSettling != 0 { // by another member of the group
			continue
		}
		root.flags |= flagSettling
		for m := i; ; {
			if f.slots.slots[m].stash != 0 {
				slots = append(slots, m)
			}
			if m = f.slots.slots[m].next; m == i {
				break
			}
		}
	}
	return slots
}

// finished reports whether the live record i has nothing to wait for.
func (f *flight) finished(i uint32) bool {
	s := &f.slots.slots[i]
	if s.parent == i {
		return s.holds == 0 && s.flags&flagLive != 0
	}
	return s.flags&flagLive != 0 && f.slots.slots[f.slots.root(i)].holds == 0
}

// finish counts the fate of i and frees it.
func (f *flight) finish(i uint32) {
	s := &f.slots.slots[i]
	p := &f.parts.list[s.part]
	fate := record.Filtered
	switch {
	case s.flags == flagLive|flagTimed|flagWritten, s.flags == flagLive|flagWritten: // nearly all
		fate = record.Written
	case s.flags&flagRejected != 0:
		fate = record.Dead
		f.bury(i)
	case s.flags&flagWritten != 0:
		fate = record.Written
	case s.flags&flagLate != 0:
		fate = record.Late
	case s.flags&flagBad != 0:
		fate = record.Dead
		f.reasons.Count(s.why)
	case s.flags&flagMerged != 0:
		fate = record.Merged
	case s.flags&flagDropped != 0:
		fate = s.fate
		f.reasons.Count(s.why)
	}
	p.counts[fate]++
	f.parts.dirty = true
	if s.flags&flagLinked != 0 {
		f.slots.unlink(&p.pending, i)
		f.pendingBytes -= int64(s.bytes)
		if f.keep {
			delete(f.kept, i)
		}
	}
	f.slots.remove(i)
}

// bury makes the dead letter of a rejected record.
func (f *flight) bury(i uint32) {
	d := f.deaths[i]
	delete(f.deaths, i)
	if d.Record.Partition == nil {
		d.Record = f.record(i)
	}
	d.Read, d.Position = f.now(), f.source.Print(*d.Record.Partition, d.Record.Position)
	f.dead = append(f.dead, d)
	f.reasons.Count(f.tell(i, d.Stage, d.Err))
}

// tell returns the number of the reason why record i is dead, and keeps the first example of it.
func (f *flight) tell(i uint32, stage string, err error) uint16 {
	why := f.reasons.Index(record.Dead, reasons.DeadWhy(stage, err))
	if f.reasons.Untold(why) {
		x := f.example(i)
		x.Err = err
		f.reasons.Tell(why, x)
	}
	return why
}

// tellLate keeps the first late row.
func (f *flight) tellLate(i uint32, at time.Time) {
	if f.reasons.UntoldLate() {
		x := f.example(i)
		x.Time, x.Behind = at, f.parts.list[f.slots.slots[i].part].clock.MaxEventTime.Sub(at)
		f.reasons.TellLate(x)
	}
}

func (f *flight) example(i uint32) reasons.Example {
	s := &f.slots.slots[i]
	x := reasons.Example{Partition: f.parts.list[s.part].id, Position: f.source.Print(f.parts.list[s.part].id, s.pos)}
	if s.flags&flagTimed != 0 {
		x.Time = time.UnixMicro(s.time).UTC()
	}
	return x
}

// record returns what is still known of a record.
func (f *flight) record(i uint32) record.Record {
	s := &f.slots.slots[i]
	if s.rec >= 0 {
		return f.records[s.rec]
	}
	if r, ok := f.kept[i]; ok {
		return r
	}
	return record.Record{Partition: &f.parts.list[s.part].id, Position: s.pos}
}
