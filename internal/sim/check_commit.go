package sim

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// placed is a row with the file that it is in.
type placed struct {
	Row
	file ledger.File
}

// commit checks a transaction: its files are there, its rows are those of the records that it finishes, no more and no
// less, and its counts say so.
func (c *checker) commit(e *ledger.Entry) {
	rows := map[string][]placed{}
	for _, f := range c.files(e) {
		if other, ok := c.named[f.Key]; ok {
			c.violation("entries %d and %d name %s", other.entry, e.ID, f.Key)
		}
		c.named[f.Key] = namedFile{e.ID, f}
		if c.gone[f.Key] || c.staging[f.Key] == nil {
			c.violation("entry %d names %s, which is not staged", e.ID, f.Key)
			continue
		}
		if f.Kind == ledger.DataFile {
			c.hours[f.Hour] = append(c.hours[f.Hour], f.Key)
			if f.Hour.Before(c.closed) {
				c.violation("entry %d adds %s, but its hour is closed", e.ID, f.Key)
			}
		}
		for _, r := range c.rowsOf(f) {
			rows[r.Owner] = append(rows[r.Owner], placed{r, f})
		}
	}
	if len(c.files(e)) > 0 || hasCounts(e.Commit) {
		c.owed[e.ID] = true
	}
	c.move(e)
	c.base = c.watermarks()
	var losers []*logRecord
	for i := range e.Commit.Lanes {
		for k := range e.Commit.Lanes[i].Partitions {
			losers = append(losers, c.partition(e, &e.Commit.Lanes[i].Partitions[k], rows)...)
		}
	}
	c.children(e)
	for _, r := range losers {
		if c.winners[r.id] == nil && !c.holds(r.id) {
			c.violation("entry %d finishes %s as a duplicate, but ID %s has no row", e.ID, r, r.id)
		}
	}
	for owner := range rows {
		c.violation("entry %d has rows of %s, which it does not finish", e.ID, owner)
	}
	c.reasons(fmt.Sprintf("entry %d", e.ID), e, e.Commit.Reasons)
}

// reasons checks that each dead letter and each copy of an entry has its reason, in the entry and in the manifest.
func (c *checker) reasons(where string, e *ledger.Entry, got []ledger.Reason) {
	want := map[string]int64{}
	for _, l := range e.Commit.Lanes {
		for _, p := range l.Partitions {
			for fate, why := range reasons {
				if n := p.Counts[fate]; n > 0 {
					want[fate.String()+" "+why] += n
				}
			}
		}
	}
	have := map[string]int64{}
	for _, r := range got {
		have[r.Fate+" "+r.Why] += r.Records
	}
	if !maps.Equal(have, want) {
		c.violation("%s has the reasons %v, want %v", where, have, want)
	}
}

// hasCounts reports whether a commit read or finished a record.
func hasCounts(c *ledger.Commit) bool {
	for _, l := range c.Lanes {
		for _, p := range l.Partitions {
			if p.Read > 0 || p.Counts.Sum() > 0 {
				return true
			}
		}
	}
	return false
}

// watermarks are those of all lanes: the smallest of their partitions'. A child that is not read yet counts only where nothing
// else does: the end of its other parent, in another lane, may have pulled its clocks back since this lane was touched.
func (c *checker) watermarks() map[string]time.Time {
	watermarks, unread := map[string]time.Time{}, map[string]time.Time{}
	for _, p := range c.w.partList {
		watermark, t, into := time.Time{}, c.parts[p.id], watermarks
		if t != nil {
			watermark = t.watermark
		}
		if t != nil && (c.w.cfg.reshards || c.w.cfg.files) && t.free() {
			continue
		}
		if len(p.parents) > 0 && (t == nil || t.upTo == 0) {
			into = unread
		}
		if l, ok := into[c.laneOf(p)]; !ok || watermark.Before(l) {
			into[c.laneOf(p)] = watermark
		}
	}
	for lane, watermark := range unread {
		if _, ok := watermarks[lane]; !ok {
			watermarks[lane] = watermark
		}
	}
	return watermarks
}

func (c *checker) files(e *ledger.Entry) []ledger.File {
	if e.Commit.FilesBlob == nil {
		return e.Commit.Files
	}
	body, err := c.w.store.Read(context.Background(), root+e.Commit.FilesBlob.Key, ledger.MaxBlob)
	if err != nil {
		c.violation("entry %d: %v", e.ID, err)
		return nil
	}
	files, err := ledger.DecodeFiles(e.Commit.FilesBlob, body)
	if err != nil {
		c.violation("entry %d: %v", e.ID, err)
	}
	return files
}

// rowsOf reads a staged file.
func (c *checker) rowsOf(f ledger.File) (rows []Row) {
	var body io.Reader = bytes.NewReader(c.staging[f.Key])
	if f.Kind == ledger.DeadFile {
		z, err := gzip.NewReader(body)
		if err != nil {
			c.violation("%s: %v", f.Key, err)
			return nil
		}
		body = z
	}
	for d := json.NewDecoder(body); ; {
		var r struct {
			Row
			format.DeadRow
		}
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			c.violation("%s: %v", f.Key, err)
			break
		}
		if f.Kind == ledger.DeadFile && r.Value != nil {
			r.Owner = *r.Value
		}
		rows = append(rows, r.Row)
	}
	if int64(len(rows)) != f.Rows {
		c.violation("%s has %d rows, its entry says %d", f.Key, len(rows), f.Rows)
	}
	return rows
}

// partition checks what an entry says of one partition, and returns the records that it finishes as duplicates.
func (c *checker) partition(e *ledger.Entry, pc *ledger.PartitionCommit, rows map[string][]placed) (losers []*logRecord) {
	p := c.w.parts[pc.Partition]
	old := c.parts[pc.Partition]
	if old == nil {
		old = &truth{pending: map[int64]bool{}, finished: map[int64]bool{}}
	}
	next := &truth{
		upTo: pc.Progress.UpTo.Sub, watermark: pc.Progress.Watermark, pending: map[int64]bool{}, finished: old.finished, lane: old.lane, ended: pc.Progress.Ended,
	}
	c.order(e, p, next)
	if pc.Progress.MaxEventTime.After(c.w.now) {
		c.violation("entry %d moves the clock of %s to %s, the store's is at %s", e.ID, pc.Partition.ID,
			pc.Progress.MaxEventTime.Format("15:04:05"), c.w.now.Format("15:04:05"))
	}
	if next.upTo < old.upTo || next.upTo > int64(len(p.log)) {
		c.violation("entry %d moves %s from %d to %d", e.ID, pc.Partition, old.upTo, next.upTo)
		return nil
	}
	pending := c.pending(pc)
	for _, n := range pending.Ordinals {
		next.pending[pending.First.Sub+int64(n)] = true
	}
	c.parts[pc.Partition] = next
	var read int64
	var counts record.Counts
	for pos := int64(1); pos <= next.upTo; pos++ {
		r := p.log[pos-1]
		isNew := pos > old.upTo
		if isNew && r.delivered() {
			read++
		}
		if next.pending[pos] && (!r.delivered() || !isNew && !old.pending[pos]) {
			c.violation("entry %d holds %s, which was finished or is no record", e.ID, r)
		}
		if !r.delivered() || next.pending[pos] || !isNew && !old.pending[pos] {
			continue
		}
		next.finished[pos] = true
		fate := c.finish(e, r, rows[r.String()])
		delete(rows, r.String())
		counts[fate]++
		if fate == record.Duplicate {
			losers = append(losers, r)
		}
	}
	if read != pc.Read || counts != pc.Counts {
		c.violation("entry %d, %s to %d: read %d and fates %v, it says %d and %v", e.ID, pc.Partition.ID, next.upTo, read, counts, pc.Read, pc.Counts)
	}
	return losers
}

// pending reads a pending set, which may be in a blob.
func (c *checker) pending(pc *ledger.PartitionCommit) driver.PendingSet {
	if pc.PendingBlob == nil {
		return pc.Progress.Pending
	}
	var base driver.PendingSet
	if pc.PendingBefore > 0 {
		base = c.sets[pc.Partition]
		c.steps++
	}
	body, err := c.w.store.Read(context.Background(), root+pc.PendingBlob.Key, ledger.MaxBlob)
	if err == nil {
		var sets *ledger.PendingSets
		if sets, err = ledger.DecodePending(pc.PendingBlob, body); err == nil {
			var pending driver.PendingSet
			if pending, err = sets.Set(pc.PendingBlob, base); err == nil {
				c.sets[pc.Partition] = pending
				return pending
			}
		}
	}
	c.violation("%s: %v", pc.PendingBlob.Key, err)
	return driver.PendingSet{}
}

// finish checks the rows of a record that an entry finishes, and returns its fate.
func (c *checker) finish(e *ledger.Entry, r *logRecord, rows []placed) record.Fate {
	want := Row{Owner: r.String(), ID: r.id, Time: r.time}
	mate := c.mate(r)
	switch {
	case r.bad:
		if len(rows) != 1 || rows[0].file.Kind != ledger.DeadFile {
			c.violation("entry %d finishes %s with %d rows, want one dead letter", e.ID, r, len(rows))
		}
		return record.Dead
	case r.key != "" && !r.left:
		if len(rows) > 0 {
			c.violation("entry %d has rows of the right side %s", e.ID, r)
		}
		if mate != nil {
			return record.Merged
		}
		return record.Filtered
	case r.unwanted:
		if len(rows) > 0 {
			c.violation("entry %d has rows of %s, which no flow wants", e.ID, r)
		}
		return record.Filtered
	case mate != nil:
		want.With = mate.id
	}
	if len(rows) == 0 && c.copied(r) {
		return record.Duplicate
	}
	if w := c.winners[r.id]; w != nil {
		c.violation("entry %d writes ID %s by %s, which %s has", e.ID, r.id, r, w)
	}
	c.winners[r.id] = r
	return c.written(e, r, rows, want)
}

// written checks that a record has its row in each flow that wants it, in the right folder.
func (c *checker) written(e *ledger.Entry, r *logRecord, rows []placed, want Row) record.Fate {
	flows := []string{"views"}
	if r.click {
		flows = append(flows, clicksOf(rows))
	}
	fate := record.Written
	if len(rows) > 0 && rows[0].file.Kind == ledger.LateFile {
		flows, fate = flows[:1], record.Late
		if !r.straggler(lateness) {
			c.violation("entry %d has %s of %s in late/, but it was on time", e.ID, r, r.time.Format("15:04:05"))
		}
		if end := r.time.Truncate(hour).Add(hour); end.After(c.closed) && end.After(c.base[c.laneOf(r.part)]) {
			c.violation("entry %d has %s of %s in late/, but its hour is open: the lane is at %s", e.ID, r,
				r.time.Format("15:04:05"), c.base[c.laneOf(r.part)].Format("15:04:05"))
		}
	}
	var got []string
	for _, row := range rows {
		got = append(got, row.file.Flow)
		if !row.Time.Equal(want.Time) || row.ID != want.ID || row.With != want.With || row.Owner != want.Owner {
			c.violation("entry %d has the row %+v of %s, want %+v", e.ID, row.Row, r, want)
		}
		if !row.file.Hour.Equal(r.time.Truncate(hour)) || (row.file.Kind == ledger.LateFile) != (fate == record.Late) {
			c.violation("entry %d has a row of %s of %s in %s", e.ID, r, r.time.Format("15:04:05"), row.file.Key)
		}
	}
	slices.Sort(got)
	slices.Sort(flows)
	if !slices.Equal(got, flows) {
		c.violation("entry %d finishes %s with rows in %q, want %q", e.ID, r, strings.Join(got, " "), strings.Join(flows, " "))
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
func (c *checker) mate(r *logRecord) *logRecord {
	if r.key == "" {
		return nil
	}
	for _, p := range c.w.partList {
		if p.lane != r.part.lane && !c.w.cfg.reshards {
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

// holds reports whether a record with an ID is pending, which has won the ID and will be written.
func (c *checker) holds(id string) bool {
	for _, p := range c.w.partList {
		if t := c.parts[p.id]; t != nil {
			for pos := range t.pending {
				if p.log[pos-1].id == id {
					return true
				}
			}
		}
	}
	return false
}

// copied reports whether another record has the ID of r, so that r may be the one that is not written.
func (c *checker) copied(r *logRecord) bool {
	for _, p := range c.w.partList {
		for _, m := range p.log {
			if m != r && m.id == r.id && m.delivered() {
				return true
			}
		}
	}
	return false
}

// finished returns the first record that is not finished, or whose ID was lost; nil if there is none.
func (c *checker) finished() *logRecord {
	for _, p := range c.w.partList {
		if p.retired {
			continue
		}
		for _, r := range p.log {
			if !r.delivered() {
				continue
			}
			written := r.bad || r.unwanted || r.key != "" && !r.left || c.winners[r.id] != nil
			if !c.isFinished(r) || !written {
				return r
			}
		}
	}
	return nil
}
