package lane

import (
	"context"
	"errors"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// errOrigin stops a stage that uses the origin of a record that has finished or never existed.
var errOrigin = errors.New("the origin is finished or was never given")

// RecordOverhead estimates what a pending record costs besides its bytes: its slot, and what the stage keeps.
const RecordOverhead = 200

// recordSize estimates what a pending record costs.
func recordSize(r *record.Record) int64 { return int64(len(r.Key) + len(r.Value) + RecordOverhead) }

// flight has the records of a lane that are in flight or pending. Stages and the output report to it what became of
// records. A record finishes when its batch has passed all stages and nobody holds it or the record that it was merged
// into.
type flight struct {
	parts   *partitions
	scratch *Scratch
	end     rowKeeper
	now     func() time.Time // for dead letters
	keep    bool             // Spec.KeepRecords
	source  driver.SourceInfo

	slots        slotTable
	records      []record.Record // of the batch in progress
	dead         []driver.DeadLetter
	deaths       map[uint32]driver.DeadLetter // why slots were rejected
	kept         map[uint32]record.Record     // of pending records
	reasons      reasons.Table
	pendingBytes int64
	noters       []stage.Noter
}

// rowKeeper is the typed end of a lane: it keeps rows of unfinished records and writes those of finished ones.
type rowKeeper interface {
	waiting() int
	unstash(ctx context.Context, finished []uint32) error
	reject(ctx context.Context, dead []driver.DeadLetter) error
}

// begin is called before records of a batch are added.
func (f *flight) begin(records []record.Record) {
	f.borrow()
	f.records = records
}

// borrow takes the scratch's slot table if the lane has none.
func (f *flight) borrow() {
	if f.slots.slots == nil {
		f.slots, f.scratch.spare = f.scratch.spare, slotTable{}
	}
}

// giveBack returns the slot table if it is empty. Its generations go on, so an origin of one lane is never taken for one of
// another.
func (f *flight) giveBack() {
	if f.slots.live == 0 && f.scratch.spare.slots == nil {
		f.scratch.spare, f.slots = f.slots, slotTable{}
	}
}

// add makes a slot for a record of partition at. rec is its number in the batch; -1 if it is not in records.
func (f *flight) add(at uint32, pos record.Position, rec int) (uint32, *slot) {
	i := f.slots.add()
	s := &f.slots.slots[i]
	s.part, s.pos, s.rec = at, pos, int32(rec)
	f.scratch.batch = append(f.scratch.batch, i)
	f.scratch.touched = append(f.scratch.touched, i)
	return i, s
}

// addWarm is add for a record of the warm-up, which never finishes.
func (f *flight) addWarm(at uint32, pos record.Position, rec int) (uint32, *slot) {
	i := f.slots.add()
	s := &f.slots.slots[i]
	s.part, s.pos, s.rec = at, pos, int32(rec)
	s.flags |= flagWarm
	f.scratch.batch = append(f.scratch.batch, i)
	return i, s
}

// release takes back one hold of the record in slot i. It returns false if there is none.
func (f *flight) release(i uint32) bool {
	r := &f.slots.slots[f.slots.root(i)]
	if r.holds--; r.holds < 0 {
		return false
	}
	f.scratch.touched = append(f.scratch.touched, i)
	return true
}

// merge makes the record in slot i part of another one's row.
func (f *flight) merge(into, i uint32) {
	f.slots.slots[i].flags |= flagMerged
	f.slots.merge(into, i)
	f.scratch.touched = append(f.scratch.touched, i)
}

// drop notes that no stage wants the record of s any more.
func (f *flight) drop(s *slot, e *stage.Outcome) {
	s.flags |= flagDropped
	s.fate = e.Fate
	if s.flags&flagBad == 0 { // else it is dead, whatever else is said
		s.why = f.reasons.Index(e.Fate, e.Why)
	}
}

// reject marks a slot. The first reason stays.
func (f *flight) reject(i uint32, why driver.DeadLetter) {
	s := &f.slots.slots[i]
	if s.flags&flagRejected == 0 {
		s.flags |= flagRejected
		f.deaths[i] = why
	}
}

// bad notes that a row of the record in slot i could not be written. A record makes one dead letter, however many rows
// fail.
func (f *flight) bad(i uint32, output string, err error) {
	s := &f.slots.slots[i]
	if s.flags&flagBad != 0 {
		return
	}
	s.flags |= flagBad
	s.why = f.tell(i, output, err)
	rec := f.record(i)
	f.dead = append(f.dead, driver.DeadLetter{Record: rec, Stage: output, Err: err, Read: f.now(), Position: f.source.Print(*rec.Partition, rec.Position)})
}

// notes takes what the stages wrote down.
func (f *flight) notes() (all []record.Note) {
	for _, n := range f.noters {
		all = append(all, n.Notes()...)
	}
	return all
}

// endBatch saves, for the unfinished records of a batch, what is needed once the batch is gone.
func (f *flight) endBatch() {
	if f.slots.live > 0 { // else all are finished
		for _, i := range f.scratch.batch {
			s := &f.slots.slots[i]
			if s.flags&flagLive == 0 {
				continue
			}
			if s.rec >= 0 {
				r := &f.records[s.rec]
				s.bytes = uint32(min(recordSize(r), 1<<31))
				if f.keep {
					f.kept[i] = r.Clone()
				}
			}
			s.rec = -1
			f.pendingBytes += int64(s.bytes)
			f.slots.link(&f.parts.list[s.part].pending, i)
		}
	}
	f.leaveBatch()
}

// endWarm forgets the records of a batch of the warm-up.
func (f *flight) endWarm() {
	for _, i := range f.scratch.batch {
		f.slots.remove(i)
	}
	f.leaveBatch()
}

func (f *flight) leaveBatch() {
	f.scratch.batch, f.records = f.scratch.batch[:0], nil
	f.giveBack()
}
