package main

import (
	"fmt"
	"slices"
	"time"
)

// part is the state of a partition.
type part struct {
	lane    string
	row     partitionRow // of the last commit, with Read and Counts in total
	held    []int64      // positions, if they are numbers
	blobs   []*blobRef   // that say what is held, if the entries do not
	retired bool
}

// String names p in reports.
func (p partition) String() string {
	if p.Epoch == "" {
		return fmt.Sprintf("%q/%q", p.Source, p.ID)
	}
	return fmt.Sprintf("%q/%q@%q", p.Source, p.ID, p.Epoch)
}

// foldPartition checks that p is a step forward in which each record has one fate, and takes it in.
func (l *ledger) foldPartition(what, laneName string, touched map[string]bool, p *partitionRow) {
	what += " partition " + p.partition.String()
	old := l.parts[p.partition]
	if old == nil {
		old = &part{lane: laneName}
	}
	l.r.expect(!old.retired, what, "it was retired")
	l.r.expect(touched[old.lane], what, "it moves from lane %s to %s, and the first one is not touched", old.lane, laneName)
	l.r.expect(p.Read >= 0 && !p.Counts.negative(), what, "read %d, counts %+v", p.Read, p.Counts)
	l.r.expect(old.row.HeldLen+p.Read == p.HeldLen+p.Counts.sum(), what,
		"the fates do not add up: held before %d + read %d, finished %d + held %d", old.row.HeldLen, p.Read, p.Counts.sum(), p.HeldLen)
	l.checkClocks(what, &old.row, p)
	set := l.checkPositions(what, old, p)
	next := &part{lane: laneName, row: *p, held: set}
	if p.HeldBlob != nil {
		if p.HeldBefore > 0 {
			next.blobs = slices.Clone(old.blobs)
		}
		l.r.expect(p.HeldBefore == len(next.blobs) && p.HeldBefore < 16, what, "its held set builds on %d blobs, there are %d", p.HeldBefore, len(old.blobs))
		next.blobs = append(next.blobs, p.HeldBlob)
	}
	next.row.Read += old.row.Read
	next.row.Counts = next.row.Counts.plus(old.row.Counts)
	l.parts[p.partition] = next
}

func (l *ledger) checkClocks(what string, old, p *partitionRow) {
	l.r.expect(!p.Seen.Before(old.Seen), what, "seen goes back from %s to %s", old.Seen, p.Seen)
	l.r.expect(!p.Low.Before(old.Low), what, "low goes back from %s to %s", old.Low, p.Low)
	if p.Low.After(old.Low) {
		l.r.expect(!p.Low.After(p.Seen), what, "low %s is ahead of seen %s", p.Low, p.Seen)
		l.r.expect(p.HeldTime.IsZero() || !p.Low.After(p.HeldTime), what, "low %s is ahead of the oldest held event, of %s", p.Low, p.HeldTime)
	}
	if j := p.Jump; j != nil {
		l.r.expect(j.Records > 0 && !j.To.IsZero() && !j.Newest.Before(j.To), what, "a jump to %s, the newest %s, by %d records", j.To, j.Newest, j.Records)
		l.r.expect(!p.Ended, what, "it has ended, and a jump to %s waits", j.To)
	}
	l.r.expect(p.HeldLen > 0 || p.HeldTime.IsZero(), what, "%d records held, the oldest of %s", p.HeldLen, p.HeldTime)
	l.r.expect(len(p.Children) == 0 || p.Ended, what, "it has children and has not ended")
	if old.Ended {
		l.r.expect(p.Ended && p.UpTo == old.UpTo && p.Read == 0, what, "it had ended at %s", old.UpTo)
	}
}

// checkPositions compares what was read and what is held with what was before. It returns the held positions if they are
// numbers.
func (l *ledger) checkPositions(what string, old *part, p *partitionRow) (set []int64) {
	was, err := parsePosition(old.row.UpTo)
	is, err2 := parsePosition(p.UpTo)
	if !l.r.expect(err == nil && err2 == nil, what, "%v, %v", err, err2) {
		return nil
	}
	l.r.expect(is.compare(was) >= 0, what, "its position goes back from %s to %s", old.row.UpTo, p.UpTo)
	l.r.expect(p.Read == 0 || is.compare(was) > 0, what, "%d records read, and its position stays %s", p.Read, p.UpTo)
	if is.number() && was.number() {
		l.r.expect(p.Read <= is.n-was.n, what, "%d records read from %s to %s", p.Read, old.row.UpTo, p.UpTo)
	}
	if p.Held == nil {
		l.r.expect(p.HeldLen == 0, what, "%d records held, and no set says which", p.HeldLen)
		return nil
	}
	first, err := parsePosition(p.Held.First)
	ordinals, err2 := p.Held.ordinals()
	if !l.r.expect(err == nil && err2 == nil, what, "%v, %v", err, err2) {
		return nil
	}
	l.r.expect(int64(len(ordinals)) == p.HeldLen, what, "held_len is %d, its set has %d", p.HeldLen, len(ordinals))
	l.r.expect(first.compare(position{}) > 0 && first.compare(is) <= 0, what, "%s is held, and above %s", p.Held.First, p.UpTo)
	if !first.number() || !is.number() {
		return nil
	}
	l.r.expect(p.Held.Through == uint64(is.n-first.n+1), what, "held through ordinal %d, from %s to %s", p.Held.Through, p.Held.First, p.UpTo)
	for _, o := range ordinals {
		set = append(set, first.n+int64(o))
	}
	for _, n := range set {
		if _, before := slices.BinarySearch(old.held, n); n <= was.n && !before {
			l.r.bad(what, "position %d is held, and was finished before", n)
			break
		}
	}
	return set
}

// foldChildren makes the children of an ended partition known, in its lane and with its clocks. A child of two parents is
// in the lane of the one that ended first, and has the earlier clocks.
func (l *ledger) foldChildren(laneName string, p *partitionRow) {
	for _, c := range p.Children {
		old := l.parts[c]
		if old != nil && (old.row.UpTo != "" || old.row.Ended || old.retired) {
			continue
		}
		next := &part{lane: laneName, row: partitionRow{partition: c, Seen: p.Seen, Low: p.Low, Arrived: p.Arrived}}
		if old != nil {
			next.lane, next.row = old.lane, old.row
			next.row.Seen, next.row.Low = earlier(old.row.Seen, p.Seen), earlier(old.row.Low, p.Low)
			next.row.Arrived = earlier(old.row.Arrived, p.Arrived)
		}
		l.parts[c] = next
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
