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
	pending []int64      // positions, if they are numbers
	blobs   []*blobRef   // that say what is pending, if the entries do not
	retired bool
}

// String names p in reports.
func (p partition) String() string {
	if p.Epoch == "" {
		return fmt.Sprintf("%q/%q", p.Source, p.ID)
	}
	return fmt.Sprintf("%q/%q@%q", p.Source, p.ID, p.Epoch)
}

// step checks that p is a step forward in which each record has one fate, and takes it in.
func (s *lanes) step(what, laneName string, touched map[string]bool, p *partitionRow) {
	what += " partition " + p.partition.String()
	old := s.parts[p.partition]
	if old == nil {
		old = &part{lane: laneName}
	}
	s.place.expect(!old.retired, what, "it was retired")
	s.place.expect(touched[old.lane], what, "it moves from lane %s to %s, and the first one is not touched", old.lane, laneName)
	s.place.expect(p.Read >= 0 && !p.Counts.negative(), what, "read %d, counts %+v", p.Read, p.Counts)
	s.place.expect(old.row.PendingLen+p.Read == p.PendingLen+p.Counts.sum(), what,
		"the fates do not add up: pending before %d + read %d, finished %d + pending %d", old.row.PendingLen, p.Read, p.Counts.sum(), p.PendingLen)
	s.checkClocks(what, &old.row, p)
	set := s.checkPositions(what, old, p)
	next := &part{lane: laneName, row: *p, pending: set}
	if p.PendingBlob != nil {
		if p.PendingBefore > 0 {
			next.blobs = slices.Clone(old.blobs)
		}
		s.place.expect(p.PendingBefore == len(next.blobs) && p.PendingBefore < 16, what, "its pending set builds on %d blobs, there are %d", p.PendingBefore, len(old.blobs))
		next.blobs = append(next.blobs, p.PendingBlob)
	}
	next.row.Read += old.row.Read
	next.row.Counts = next.row.Counts.plus(old.row.Counts)
	s.parts[p.partition] = next
}

func (s *lanes) checkClocks(what string, old, p *partitionRow) {
	s.place.expect(!p.MaxEventTime.Before(old.MaxEventTime), what, "max event time goes back from %s to %s", old.MaxEventTime, p.MaxEventTime)
	s.place.expect(!p.Watermark.Before(old.Watermark), what, "watermark goes back from %s to %s", old.Watermark, p.Watermark)
	if p.Watermark.After(old.Watermark) {
		s.place.expect(!p.Watermark.After(p.MaxEventTime), what, "watermark %s is ahead of max event time %s", p.Watermark, p.MaxEventTime)
		s.place.expect(p.PendingTime.IsZero() || !p.Watermark.After(p.PendingTime), what, "watermark %s is ahead of the oldest pending event, of %s", p.Watermark, p.PendingTime)
	}
	if j := p.Jump; j != nil {
		s.place.expect(j.Records > 0 && !j.To.IsZero() && !j.Newest.Before(j.To), what, "a jump to %s, the newest %s, by %d records", j.To, j.Newest, j.Records)
		s.place.expect(!p.Ended, what, "it has ended, and a jump to %s waits", j.To)
	}
	s.place.expect(p.PendingLen > 0 || p.PendingTime.IsZero(), what, "%d records pending, the oldest of %s", p.PendingLen, p.PendingTime)
	s.place.expect(len(p.Children) == 0 || p.Ended, what, "it has children and has not ended")
	if old.Ended {
		s.place.expect(p.Ended && p.UpTo == old.UpTo && p.Read == 0, what, "it had ended at %s", old.UpTo)
	}
}

// checkPositions compares what was read and what is pending with what was before. It returns the pending positions if they are
// numbers.
func (s *lanes) checkPositions(what string, old *part, p *partitionRow) (set []int64) {
	was, err := parsePosition(old.row.UpTo)
	is, err2 := parsePosition(p.UpTo)
	if !s.place.expect(err == nil && err2 == nil, what, "%v, %v", err, err2) {
		return nil
	}
	s.place.expect(is.compare(was) >= 0, what, "its position goes back from %s to %s", old.row.UpTo, p.UpTo)
	s.place.expect(p.Read == 0 || is.compare(was) > 0, what, "%d records read, and its position stays %s", p.Read, p.UpTo)
	if is.number() && was.number() {
		s.place.expect(p.Read <= is.n-was.n, what, "%d records read from %s to %s", p.Read, old.row.UpTo, p.UpTo)
	}
	if p.Pending == nil {
		s.place.expect(p.PendingLen == 0, what, "%d records pending, and no set says which", p.PendingLen)
		return nil
	}
	first, err := parsePosition(p.Pending.First)
	ordinals, err2 := p.Pending.ordinals()
	if !s.place.expect(err == nil && err2 == nil, what, "%v, %v", err, err2) {
		return nil
	}
	s.place.expect(int64(len(ordinals)) == p.PendingLen, what, "pending_len is %d, its set has %d", p.PendingLen, len(ordinals))
	s.place.expect(first.compare(position{}) > 0 && first.compare(is) <= 0, what, "%s is pending, and above %s", p.Pending.First, p.UpTo)
	if !first.number() || !is.number() {
		return nil
	}
	s.place.expect(p.Pending.Through == uint64(is.n-first.n+1), what, "pending through ordinal %d, from %s to %s", p.Pending.Through, p.Pending.First, p.UpTo)
	for _, o := range ordinals {
		set = append(set, first.n+int64(o))
	}
	for _, n := range set {
		if _, before := slices.BinarySearch(old.pending, n); n <= was.n && !before {
			s.place.bad(what, "position %d is pending, and was finished before", n)
			break
		}
	}
	return set
}

// children makes the children of an ended partition known, in its lane and with its clocks. A child of two parents is
// in the lane of the one that ended first, and has the earlier clocks.
func (s *lanes) children(laneName string, p *partitionRow) {
	for _, c := range p.Children {
		old := s.parts[c]
		if old != nil && (old.row.UpTo != "" || old.row.Ended || old.retired) {
			continue
		}
		next := &part{lane: laneName, row: partitionRow{partition: c, MaxEventTime: p.MaxEventTime, Watermark: p.Watermark, Arrived: p.Arrived}}
		if old != nil {
			next.lane, next.row = old.lane, old.row
			next.row.MaxEventTime, next.row.Watermark = earlier(old.row.MaxEventTime, p.MaxEventTime), earlier(old.row.Watermark, p.Watermark)
			next.row.Arrived = earlier(old.row.Arrived, p.Arrived)
		}
		s.parts[c] = next
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
