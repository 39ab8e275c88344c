package sim

import (
	"cmp"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/record"
)

// fates checks what becomes of each record.
type fates struct {
	bad      *violations
	sched    *scheduler
	cfg      *config
	src      *source
	progress *progress
	hours    *hours

	winners map[string]*logRecord // by ID: whose row is committed
}

func newFates(c *checker, cfg *config, src *source) *fates {
	return &fates{bad: c.bad, sched: c.sched, cfg: cfg, src: src, progress: c.progress, hours: c.hours, winners: map[string]*logRecord{}}
}

// placed is a row with the file that it is in.
type placed struct {
	Row
	file ledger.File
}

// partition checks what an entry says of one partition, and returns the records that it finishes as duplicates.
func (f *fates) partition(e *ledger.Entry, pc *ledger.PartitionCommit, rows map[string][]placed) (losers []*logRecord) {
	p := f.src.parts[pc.Partition]
	old := f.progress.parts[pc.Partition]
	if old == nil {
		old = &truth{pending: map[int64]bool{}, finished: map[int64]bool{}}
	}
	next := &truth{
		upTo: pc.Progress.UpTo.Sub, watermark: pc.Progress.Watermark, pending: map[int64]bool{}, finished: old.finished, lane: old.lane, ended: pc.Progress.Ended,
	}
	f.progress.order(e, p, next)
	if pc.Progress.MaxEventTime.After(f.sched.now) {
		f.bad.add("entry %d moves the clock of %s to %s, the store's is at %s", e.ID, pc.Partition.ID,
			pc.Progress.MaxEventTime.Format("15:04:05"), f.sched.now.Format("15:04:05"))
	}
	if next.upTo < old.upTo || next.upTo > int64(len(p.log)) {
		f.bad.add("entry %d moves %s from %d to %d", e.ID, pc.Partition, old.upTo, next.upTo)
		return nil
	}
	pending := f.progress.pending(pc)
	for _, n := range pending.Ordinals {
		next.pending[pending.First.Sub+int64(n)] = true
	}
	f.progress.parts[pc.Partition] = next
	var read int64
	var counts record.Counts
	for pos := int64(1); pos <= next.upTo; pos++ {
		r := p.log[pos-1]
		isNew := pos > old.upTo
		if isNew && r.delivered() {
			read++
		}
		if next.pending[pos] && (!r.delivered() || !isNew && !old.pending[pos]) {
			f.bad.add("entry %d holds %s, which was finished or is no record", e.ID, r)
		}
		if !r.delivered() || next.pending[pos] || !isNew && !old.pending[pos] {
			continue
		}
		next.finished[pos] = true
		fate := f.finish(e, r, rows[r.String()])
		delete(rows, r.String())
		counts[fate]++
		if fate == record.Duplicate {
			losers = append(losers, r)
		}
	}
	if read != pc.Read || counts != pc.Counts {
		f.bad.add("entry %d, %s to %d: read %d and fates %v, it says %d and %v", e.ID, pc.Partition.ID, next.upTo, read, counts, pc.Read, pc.Counts)
	}
	return losers
}

// finish checks the rows of a record that an entry finishes, and returns its fate.
func (f *fates) finish(e *ledger.Entry, r *logRecord, rows []placed) record.Fate {
	want := Row{Owner: r.String(), ID: r.id, Time: r.time}
	mate := f.mate(r)
	switch {
	case r.bad:
		if len(rows) != 1 || rows[0].file.Kind != ledger.DeadFile {
			f.bad.add("entry %d finishes %s with %d rows, want one dead letter", e.ID, r, len(rows))
		}
		return record.Dead
	case r.key != "" && !r.left:
		if len(rows) > 0 {
			f.bad.add("entry %d has rows of the right side %s", e.ID, r)
		}
		if mate != nil {
			return record.Merged
		}
		return record.Filtered
	case r.unwanted:
		if len(rows) > 0 {
			f.bad.add("entry %d has rows of %s, which no flow wants", e.ID, r)
		}
		return record.Filtered
	case mate != nil:
		want.With = mate.id
	}
	if len(rows) == 0 && f.copied(r) {
		return record.Duplicate
	}
	if w := f.winners[r.id]; w != nil {
		f.bad.add("entry %d writes ID %s by %s, which %s has", e.ID, r.id, r, w)
	}
	f.winners[r.id] = r
	return f.written(e, r, rows, want)
}

// written checks that a record has its row in each flow that wants it, in the right folder.
func (f *fates) written(e *ledger.Entry, r *logRecord, rows []placed, want Row) record.Fate {
	flows := []string{"views"}
	if r.click {
		flows = append(flows, clicksOf(rows))
	}
	fate := record.Written
	if len(rows) > 0 && rows[0].file.Kind == ledger.LateFile {
		flows, fate = flows[:1], record.Late
		if !r.straggler(lateness) {
			f.bad.add("entry %d has %s of %s in late/, but it was on time", e.ID, r, r.time.Format("15:04:05"))
		}
		if end := r.time.Truncate(hour).Add(hour); end.After(f.hours.closed) && end.After(f.progress.base[f.progress.laneOf(r.part)]) {
			f.bad.add("entry %d has %s of %s in late/, but its hour is open: the lane is at %s", e.ID, r,
				r.time.Format("15:04:05"), f.progress.base[f.progress.laneOf(r.part)].Format("15:04:05"))
		}
	}
	var got []string
	for _, row := range rows {
		got = append(got, row.file.Flow)
		if !row.Time.Equal(want.Time) || row.ID != want.ID || row.With != want.With || row.Owner != want.Owner {
			f.bad.add("entry %d has the row %+v of %s, want %+v", e.ID, row.Row, r, want)
		}
		if !row.file.Hour.Equal(r.time.Truncate(hour)) || (row.file.Kind == ledger.LateFile) != (fate == record.Late) {
			f.bad.add("entry %d has a row of %s of %s in %s", e.ID, r, r.time.Format("15:04:05"), row.file.Key)
		}
	}
	slices.Sort(got)
	slices.Sort(flows)
	if !slices.Equal(got, flows) {
		f.bad.add("entry %d finishes %s with rows in %q, want %q", e.ID, r, strings.Join(got, " "), strings.Join(flows, " "))
	}
	return fate
}

// clicksOf is the name that the flow of clicks has in the version that wrote the rows of a record.
func clicksOf(rows []placed) string {
	for _, row := range rows {
		if row.file.Flow == "taps" {
			return "taps"
		}
	}
	return "clicks"
}

// mate is the partner that a right join gives r; nil if it has none.
func (f *fates) mate(r *logRecord) *logRecord {
	switch {
	case r.key == "":
		return nil
	case f.cfg.asof:
		return f.latest(r)
	}
	for _, p := range f.src.partList {
		if p.lane != r.part.lane && !f.cfg.reshards {
			continue
		}
		for _, m := range p.log {
			if m.key != r.key || m.left == r.left || !m.delivered() {
				continue
			}
			left, right := r.time, m.time
			if !r.left {
				left, right = right, left
			}
			if d := right.Sub(left); d >= -early && d <= window {
				return m
			}
		}
	}
	return nil
}

// latest is the right record that an as-of join gives l.
func (f *fates) latest(l *logRecord) (best *logRecord) {
	if !l.left {
		return nil
	}
	for _, p := range f.src.partList {
		if p.lane != l.part.lane && !f.cfg.reshards {
			continue
		}
		for _, m := range p.log {
			if m.key != l.key || m.left || !m.delivered() || m.time.After(l.time) || l.time.Sub(m.time) > window {
				continue
			}
			if best == nil || cmp.Or(m.time.Compare(best.time), m.part.id.Compare(best.part.id), cmp.Compare(m.pos, best.pos)) > 0 {
				best = m
			}
		}
	}
	return best
}

// copied reports whether another record has the ID of r, so that r may be the one that is not written.
func (f *fates) copied(r *logRecord) bool {
	for _, p := range f.src.partList {
		for _, m := range p.log {
			if m != r && m.id == r.id && m.delivered() {
				return true
			}
		}
	}
	return false
}

// unfinished returns the first record that is not finished, or whose ID was lost; nil if there is none.
func (f *fates) unfinished() *logRecord {
	for _, p := range f.src.partList {
		if p.retired {
			continue
		}
		for _, r := range p.log {
			if !r.delivered() {
				continue
			}
			written := r.bad || r.unwanted || r.key != "" && !r.left || f.winners[r.id] != nil
			if !f.progress.isFinished(r) || !written {
				return r
			}
		}
	}
	return nil
}

// forget forgets who has won the IDs of a partition that is read again.
func (f *fates) forget(p *partition) {
	for _, r := range p.log {
		if w := f.winners[r.id]; w != nil && w.part == p {
			delete(f.winners, r.id)
		}
	}
}
