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

// RecordOverhead is about what a pending record costs beside its bytes: its slot, and what the stage keeps.
const RecordOverhead = 200

// flight is the records of a lane that are in flight or pending. It takes in what stages and the output say of them, and
// finishes those that nobody holds.
//
// A record finishes when its batch has passed all stages and nobody holds it or what it was merged into.
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

// borrow takes the scratch's slot table, if the lane has none of its own.
func (f *flight) borrow() {
	if f.slots.slots == nil {
		f.slots, f.scratch.spare = f.scratch.spare, slotTable{}
	}
}

// giveBack returns the slot table if nothing is in it. Generations go on in it, so that an origin of one lane is never
// taken for one of another.
func (f *flight) giveBack() {
	if f.slots.live == 0 && f.scratch.spare.slots == nil {
		f.scratch.spare, f.slots = f.slots, slotTable{}
	}
}

// add makes a slot for a record of partition at, which is number rec of the batch; -1 is none of its records.
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

// release takes back one hold of the record in slot i; false if there is none.
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

// bad notes that a row of the record in slot i could not be written. There is one letter a record.
func (f *flight) bad(i uint32, output string, err error) {
	s := &f.slots.slots[i]
	if s.flags&flagBad != 0 {
		return
	}
	s.flags |= flagBad
	s.why = f.tell(i, output, err)
	rec := f.record(i)
	f.dead = append(f.dead, driver.DeadLetter{Record: rec, Stage: output, Err: err, Read: f.now(), Position: f.source.Print(rec.Position)})
}

// endBatch takes down what the records of a batch that are not finished need to be known later.
func (f *flight) endBatch() {
	if f.slots.live > 0 { // else all are finished
		for _, i := range f.scratch.batch {
			s := &f.slots.slots[i]
			if s.flags&flagLive == 0 {
				continue
			}
			if s.rec >= 0 {
				r := &f.records[s.rec]
				s.bytes = uint32(min(len(r.Key)+len(r.Value)+RecordOverhead, 1<<31))
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
