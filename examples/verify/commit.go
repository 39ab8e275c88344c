package main

import (
	"slices"
	"time"
)

// commits is what the ledger says of commits.
type commits struct {
	place *place
	lanes *lanes
	hours *hours

	list    []*committed
	byID    map[uint64]*committed
	pending map[uint64][]time.Time // commits with a manifest that are not marked as published, and the hours of their on-time files
	claims  map[claim]uint64       // which entry names a file
	read    int64
	counts  counts
}

// claim is what must be unique to a file.
type claim struct {
	key    string
	offset int64
}

// committed is a commit and what was found of it.
type committed struct {
	id        uint64
	files     []file
	lanes     []laneCommit
	reasons   []reason
	dropped   []flowRows
	published bool // marked
	manifest  bool // is there
}

func newCommits(p *place, s *lanes, h *hours) *commits {
	return &commits{place: p, lanes: s, hours: h, byID: map[uint64]*committed{}, pending: map[uint64][]time.Time{}, claims: map[claim]uint64{}}
}

func (cs *commits) mark(what string, e *entry) {
	cs.place.expect(slices.IsSorted(e.Published) && len(e.Published) <= 1024, what, "published marks are not in order, or too many")
	for _, id := range e.Published {
		if _, ok := cs.pending[id]; !cs.place.expect(ok, what, "it marks entry %d, which has nothing to publish or was marked before", id) {
			continue
		}
		delete(cs.pending, id)
		cs.byID[id].published = true
	}
}

func (cs *commits) fold(what string, e *entry) {
	c := e.Commit
	cs.place.expect(len(c.Lanes) > 0, what, "it touches no lane")
	touched := map[string]bool{}
	for i := range c.Lanes {
		touched[c.Lanes[i].Lane] = true
	}
	var finished counts
	seen := map[partition]bool{}
	ended := map[partition]bool{} // before this entry
	for i := range c.Lanes {
		ln := &c.Lanes[i]
		cs.place.expect(i == 0 || c.Lanes[i-1].Lane < ln.Lane, what, "its lanes are not in order")
		cs.place.expect(ln.Base == cs.lanes.base(ln.Lane), what, "lane %s: its base is entry %d, the lane was at %d", ln.Lane, ln.Base, cs.lanes.base(ln.Lane))
		cs.place.expect(isToken(ln.Token), what, "lane %s: token %q", ln.Lane, ln.Token)
		cs.lanes.knew(what, ln)
		for k := range ln.Partitions {
			p := &ln.Partitions[k]
			cs.place.expect(!seen[p.partition], what, "partition %s is in it twice", p.partition)
			seen[p.partition] = true
			ended[p.partition] = cs.lanes.parts[p.partition] != nil && cs.lanes.parts[p.partition].row.Ended
			cs.lanes.step(what, ln.Lane, touched, p)
			finished = finished.plus(p.Counts)
			cs.read += p.Read
		}
	}
	for i := range c.Lanes {
		ln := &c.Lanes[i]
		cs.lanes.lanes[ln.Lane] = lane{e.ID, ln.Token}
		for k := range ln.Partitions {
			if p := &ln.Partitions[k]; p.Ended && !ended[p.partition] { // afterwards the children have clocks of their own
				cs.lanes.children(ln.Lane, p)
			}
		}
	}
	cs.counts = cs.counts.plus(finished)
	cs.foldFiles(what, e.ID, c)
	cs.checkFates(what, c.Files, finished)
	cs.checkReasons(what, c, finished)
	cs.byID[e.ID] = &committed{id: e.ID, files: c.Files, lanes: c.Lanes, reasons: c.Reasons, dropped: c.LateDropped}
	cs.list = append(cs.list, cs.byID[e.ID])
}

// checkFates compares rows with records: each record written has a row or more, each dead one has one row. One that was
// written may have others that are dead or late.
func (cs *commits) checkFates(what string, files []file, finished counts) {
	rows := map[string]int64{}
	for i := range files {
		rows[files[i].Kind] += files[i].Rows
	}
	rows[""] += rows[kindPack]
	cs.place.expect(rows[""] >= finished.Written, what, "%d records were written, its files have %d rows", finished.Written, rows[""])
	cs.place.expect(rows["dead"] >= finished.Dead, what, "%d records are dead, its dead-letter files have %d rows", finished.Dead, rows["dead"])
	cs.place.expect(rows["late"] == 0 || finished.Late+finished.Written > 0, what, "no record is late, its late files have %d rows", rows["late"])
}

// foldFiles checks the list of files against itself, the layout of keys, the hours and all other entries.
func (cs *commits) foldFiles(what string, id uint64, c *commit) {
	sums := map[time.Time]hourSum{}
	for i := range c.Files {
		f := &c.Files[i]
		cs.place.expect(i == 0 || c.Files[i-1].Key < f.Key || c.Files[i-1].Key == f.Key && c.Files[i-1].Offset < f.Offset, what, "its files are not in order")
		cs.place.expect(f.Offset >= 0 && f.Length >= 0 && f.Rows > 0, what, "%s: %d rows in %d bytes at %d", f.Key, f.Rows, f.Length, f.Offset)
		other, twice := cs.claims[claim{f.Key, f.Offset}]
		cs.place.expect(!twice, what, "entry %d names the file %s too", other, f.Key)
		cs.claims[claim{f.Key, f.Offset}] = id
		cs.place.checkKey(what, f)
		cs.place.expect((f.Contents != nil) == (f.Kind == kindPack), what, "%s: kind %q with or without contents", f.Key, f.Kind)
		if f.Kind == "" || f.Kind == kindPack {
			cs.place.expect(!f.Hour.Before(cs.hours.closed), what, "%s is a file of the hour %s, which entry %d closed", f.Key, f.Hour, cs.hours.closer)
			s := sums[f.Hour]
			s = hourSum{f.Hour, s.Files + 1, s.Rows + f.Rows, s.Bytes + f.Length, s.Packs}
			if f.Kind == kindPack {
				s.Packs++
				cs.hours.packed[f.Hour.UTC()] = true
			} else {
				cs.hours.files[f.Hour.UTC()] = append(cs.hours.files[f.Hour.UTC()], f)
			}
			sums[f.Hour] = s
		}
	}
	ok := len(c.Hours) == len(sums)
	for i, h := range c.Hours {
		ok = ok && h == sums[h.Hour] && (i == 0 || c.Hours[i-1].Hour.Before(h.Hour))
		cs.hours.add(id, h)
	}
	cs.place.expect(ok, what, "its hours are not the sums of its files")
	if hasManifest(c.Files, c.Lanes) {
		var hours []time.Time
		for _, h := range c.Hours {
			hours = append(hours, h.Hour)
		}
		cs.pending[id] = hours
	}
}
