package main

import (
	"slices"
	"time"
)

// fold takes in the next entry and checks that it was right to write it there.
func (l *ledger) fold(what string, e *entry) {
	l.r.expect(e.Prev == l.hash, what, "the entry before it has another hash than it says: the chain is broken")
	l.r.expect(isHex(e.Token, 32), what, "token %q", e.Token)
	other, twice := l.tokens[e.Token]
	l.r.expect(!twice, what, "entry %d has the same token", other)
	l.tokens[e.Token] = e.ID
	parts := map[string]bool{"config": e.Config != nil, "commit": e.Commit != nil, "close": e.Close != nil, "retire": e.Retire != nil, "forget": e.Forget != nil}
	for name, there := range parts {
		l.r.expect(there == (name == e.Kind), what, "kind %q with or without the part %q", e.Kind, name)
	}
	l.foldMarks(what, e)
	switch {
	case e.Kind == "config" && e.Config != nil:
		l.foldConfig(what, e.Config)
	case e.Kind == "commit" && e.Commit != nil:
		l.foldCommit(what, e)
	case e.Kind == "close" && e.Close != nil:
		l.foldClose(what, e)
	case e.Kind == "retire" && e.Retire != nil:
		l.foldRetire(what, e)
	case e.Kind == "forget" && e.Forget != nil:
		l.foldForget(what, e)
	case e.Kind != "mark":
		l.r.bad(what, "kind %q", e.Kind)
	}
	if !e.Sealed.IsZero() {
		l.r.expect(e.Sealed.After(l.sealed) && !e.Sealed.After(l.closed), what,
			"sealed through %s, before %s, closed through %s", e.Sealed, l.sealed, l.closed)
		l.sealed = e.Sealed
	}
}

// foldConfig checks that a Config is of a newer generation, or of the same one with the same topics and more partitions.
func (l *ledger) foldConfig(what string, c *config) {
	was := config{}
	if l.config != nil {
		was = *l.config
	}
	sizes := map[log]int{}
	for _, g := range c.Logs {
		sizes[log{Source: g.Source, Epoch: g.Epoch}] = g.Partitions
	}
	for _, g := range was.Logs {
		is := sizes[log{Source: g.Source, Epoch: g.Epoch}]
		l.r.expect(is >= g.Partitions, what, "log %s has %d partitions, and had %d", g.Source, is, g.Partitions)
	}
	more := c.Generation == was.Generation && slices.Equal(c.Topics, was.Topics) && !slices.Equal(c.Logs, was.Logs)
	l.r.expect(c.Generation > was.Generation || more, what, "generation %d follows %d", c.Generation, was.Generation)
	l.config = c
}

func (l *ledger) foldMarks(what string, e *entry) {
	l.r.expect(slices.IsSorted(e.Published) && len(e.Published) <= 1024, what, "published marks are not in order, or too many")
	for _, id := range e.Published {
		if _, ok := l.pending[id]; !l.r.expect(ok, what, "it marks entry %d, which has nothing to publish or was marked before", id) {
			continue
		}
		delete(l.pending, id)
		l.byID[id].published = true
	}
}

// base is the version that a commit of a lane must name.
func (l *ledger) base(name string) uint64 {
	if v, ok := l.lanes[name]; ok && v.version > 0 {
		return v.version
	}
	return l.closer
}

func (l *ledger) foldCommit(what string, e *entry) {
	c := e.Commit
	l.r.expect(len(c.Lanes) > 0, what, "it touches no lane")
	touched := map[string]bool{}
	for i := range c.Lanes {
		touched[c.Lanes[i].Lane] = true
	}
	var finished counts
	seen := map[partition]bool{}
	ended := map[partition]bool{} // before this entry
	for i := range c.Lanes {
		ln := &c.Lanes[i]
		l.r.expect(i == 0 || c.Lanes[i-1].Lane < ln.Lane, what, "its lanes are not in order")
		l.r.expect(ln.Base == l.base(ln.Lane), what, "lane %s: its base is entry %d, the lane was at %d", ln.Lane, ln.Base, l.base(ln.Lane))
		l.r.expect(isHex(ln.Token, 32), what, "lane %s: token %q", ln.Lane, ln.Token)
		l.knew(what, ln)
		for k := range ln.Partitions {
			p := &ln.Partitions[k]
			l.r.expect(!seen[p.partition], what, "partition %s is in it twice", p.partition)
			seen[p.partition] = true
			ended[p.partition] = l.parts[p.partition] != nil && l.parts[p.partition].row.Ended
			l.foldPartition(what, ln.Lane, touched, p)
			finished = finished.plus(p.Counts)
			l.read += p.Read
		}
	}
	for i := range c.Lanes {
		ln := &c.Lanes[i]
		l.lanes[ln.Lane] = lane{e.ID, ln.Token}
		for k := range ln.Partitions {
			if p := &ln.Partitions[k]; p.Ended && !ended[p.partition] { // afterwards the children have clocks of their own
				l.foldChildren(ln.Lane, p)
			}
		}
	}
	l.counts = l.counts.plus(finished)
	l.foldFiles(what, e.ID, c)
	l.checkFates(what, c.Files, finished)
	l.checkReasons(what, c, finished)
	l.byID[e.ID] = &committed{id: e.ID, files: c.Files, lanes: c.Lanes, reasons: c.Reasons, dropped: c.LateDropped}
	l.commits = append(l.commits, l.byID[e.ID])
}

// checkFates compares rows with records: each record written has a row or more, each dead one has one row. One that was
// written may have others that are dead or late.
func (l *ledger) checkFates(what string, files []file, finished counts) {
	rows := map[string]int64{}
	for i := range files {
		rows[files[i].Kind] += files[i].Rows
	}
	l.r.expect(rows[""] >= finished.Written, what, "%d records were written, its files have %d rows", finished.Written, rows[""])
	l.r.expect(rows["dead"] >= finished.Dead, what, "%d records are dead, its dead-letter files have %d rows", finished.Dead, rows["dead"])
	l.r.expect(rows["late"] == 0 || finished.Late+finished.Written > 0, what, "no record is late, its late files have %d rows", rows["late"])
}

// foldFiles checks the list of files against itself, the layout of keys, the hours and all other entries.
func (l *ledger) foldFiles(what string, id uint64, c *commit) {
	sums := map[time.Time]hourSum{}
	for i := range c.Files {
		f := &c.Files[i]
		l.r.expect(i == 0 || c.Files[i-1].Key < f.Key || c.Files[i-1].Key == f.Key && c.Files[i-1].Offset < f.Offset, what, "its files are not in order")
		l.r.expect(f.Offset >= 0 && f.Length >= 0 && f.Rows > 0, what, "%s: %d rows in %d bytes at %d", f.Key, f.Rows, f.Length, f.Offset)
		other, twice := l.claims[claim{f.Key, f.Offset}]
		l.r.expect(!twice, what, "entry %d names the file %s too", other, f.Key)
		l.claims[claim{f.Key, f.Offset}] = id
		l.checkKey(what, f)
		if f.Kind == "" {
			l.r.expect(!f.Hour.Before(l.closed), what, "%s is a file of the hour %s, which entry %d closed", f.Key, f.Hour, l.closer)
			l.byHour[f.Hour.UTC()] = append(l.byHour[f.Hour.UTC()], f)
			s := sums[f.Hour]
			sums[f.Hour] = hourSum{f.Hour, s.Files + 1, s.Rows + f.Rows, s.Bytes + f.Length}
		}
	}
	ok := len(c.Hours) == len(sums)
	for i, h := range c.Hours {
		ok = ok && h == sums[h.Hour] && (i == 0 || c.Hours[i-1].Hour.Before(h.Hour))
		l.addHour(id, h)
	}
	l.r.expect(ok, what, "its hours are not the sums of its files")
	if hasManifest(c.Files, c.Lanes) {
		var hours []time.Time
		for _, h := range c.Hours {
			hours = append(hours, h.Hour)
		}
		l.pending[id] = hours
	}
}

func (l *ledger) addHour(id uint64, h hourSum) {
	o := l.hours[h.Hour]
	if o == nil {
		o = &hour{hourSum: hourSum{Hour: h.Hour}, first: id}
		l.hours[h.Hour] = o
	}
	o.last = id
	o.Files, o.Rows, o.Bytes = o.Files+h.Files, o.Rows+h.Rows, o.Bytes+h.Bytes
	l.rows += h.Rows
}

func (l *ledger) foldRetire(what string, e *entry) {
	r := e.Retire
	l.r.expect(r.Base == l.base(r.Lane), what, "lane %s: its base is entry %d, the lane was at %d", r.Lane, r.Base, l.base(r.Lane))
	p := l.parts[r.Partition]
	if p == nil {
		p = &part{lane: r.Lane, row: partitionRow{partition: r.Partition}}
		l.parts[r.Partition] = p
	}
	l.r.expect(!p.retired && p.lane == r.Lane, what, "partition %s was retired before, or is in lane %s", r.Partition, p.lane)
	p.retired = true
	l.lanes[r.Lane] = lane{e.ID, r.Token}
}
