package main

import (
	"maps"
	"slices"
	"time"
)

// closing is a Close and the state of the job then.
type closing struct {
	id         uint64
	close      *closeEntry
	partitions []closedPartition
	read       int64
	counts     counts
}

// close checks that each hour could close, by all else that l says.
func (h *hours) close(what string, e *entry, l *ledger) {
	c, p := e.Close, h.place
	p.expect(c.From.Before(c.Through) && p.isHour(c.From) && p.isHour(c.Through), what, "it closes from %s through %s", c.From, c.Through)
	if !h.closed.IsZero() {
		p.expect(c.From.Equal(h.closed), what, "hours close in order: the next one is %s, not %s", h.closed, c.From)
	}
	p.expect(h.closer == 0 || !h.sealed.Before(h.closed) || !e.Sealed.Before(h.closed), what, "the hours through %s are not known to be sealed", h.closed)
	p.expect(!c.At.Add(-time.Duration(c.LatenessNS)).Before(c.Through), what,
		"the clock was at %s, less than %s after %s", c.At, time.Duration(c.LatenessNS), c.Through)
	p.expect(c.Generation == l.generation(), what, "it knows the topics of generation %d, the last is %d", c.Generation, l.generation())
	p.expect(len(l.lanes.parts) > 0 || l.lanes.over > 0, what, "no partition is known")
	p.expect(slices.IsSorted(c.Flows) && len(c.Flows) > 0, what, "flows %q", c.Flows)
	for id, st := range l.lanes.parts {
		if !st.retired && !st.row.Ended {
			p.expect(!st.row.Watermark.Before(c.Through), what, "partition %s has got to %s, before %s", id, st.row.Watermark, c.Through)
		}
	}
	for id, of := range l.commits.pending {
		p.expect(len(of) == 0 || !of[0].Before(c.Through), what, "files of entry %d are not published", id)
	}
	for start := range h.open {
		p.expect(!start.Before(c.From), what, "hour %s, which has files, is before the first one that it closes, %s", start, c.From)
	}
	h.checkEmptyHours(what, c)
	h.checkMerge(what, c)
	maps.DeleteFunc(h.open, func(start time.Time, _ *hour) bool { return start.Before(c.Through) })
	h.closed, h.closer, h.closedAt = c.Through, e.ID, c.At
	h.closes = append(h.closes, &closing{e.ID, c, l.lanes.closedPartitions(), l.commits.read, l.commits.counts})
}

// checkMerge checks that a Close says how to merge if, and only if, one of its hours has a pack.
func (h *hours) checkMerge(what string, c *closeEntry) {
	packs := int64(0)
	for start, o := range h.open {
		if start.Before(c.Through) {
			packs += o.Packs
		}
	}
	h.place.expect((c.Merge != nil) == (packs > 0), what, "its hours have %d packs, and it says how to merge them: %t", packs, c.Merge != nil)
	if c.Merge != nil {
		n := int64(c.Through.Sub(c.From) / h.place.hour)
		h.place.expect(n <= 48, what, "it closes %d hours, and has packs: 48 at most may be", n)
		h.place.expect(c.Merge.FileBytes > 0 && c.Merge.UnitBytes > 0, what, "files of %d and units of %d bytes", c.Merge.FileBytes, c.Merge.UnitBytes)
	}
}

// seal checks what an entry says is sealed, and takes it in. Hours with packs have the time at which that was known.
func (h *hours) seal(what string, e *entry) {
	if e.Sealed.IsZero() {
		h.place.expect(e.SealedAt.IsZero(), what, "it says when hours were sealed, and none")
		return
	}
	h.place.expect(e.Sealed.After(h.sealed) && !e.Sealed.After(h.closed), what,
		"sealed through %s, before %s, closed through %s", e.Sealed, h.sealed, h.closed)
	packs := false
	for start := range h.packed {
		packs = packs || !start.Before(h.sealed) && start.Before(e.Sealed)
	}
	h.place.expect(packs == !e.SealedAt.IsZero(), what, "the hours from %s through %s have packs: %t, and it says when they were sealed: %t",
		h.sealed, e.Sealed, packs, !e.SealedAt.IsZero())
	h.sealed = e.Sealed
	if e.SealedAt.IsZero() {
		return
	}
	at := e.SealedAt
	if n := len(h.seals); n > 0 && at.Before(h.seals[n-1].At) {
		at = h.seals[n-1].At
	}
	h.packsSealed = e.Sealed
	if h.seals = append(h.seals, sealedAt{e.Sealed, at}); len(h.seals) > maxSeals {
		kept := h.seals[:0]
		for i, s := range h.seals {
			if i%2 == 1 || i == maxSeals {
				kept = append(kept, s)
			}
		}
		h.seals = kept
	}
}

// maxSeals is how many times a snapshot has at most.
const maxSeals = 512

// checkEmptyHours checks that no more hours in a row are without files than may be closed: as many as have passed since the
// job began, and those that this one says.
func (h *hours) checkEmptyHours(what string, c *closeEntry) {
	h.place.expect(c.EmptyHours >= -1, what, "empty hours %d", c.EmptyHours)
	if c.EmptyHours < 0 {
		return
	}
	length := int64(h.place.hour / time.Second)
	most := c.EmptyHours + max(0, (c.At.Unix()-h.since.Unix())/length)
	full := []time.Time{c.Through}
	for start := range h.open {
		if start.Before(c.Through) {
			full = append(full, start)
		}
	}
	slices.SortFunc(full, time.Time.Compare)
	at := c.From
	for _, start := range full {
		n := (start.Unix() - at.Unix()) / length
		h.place.expect(n <= most, what, "it closes %d hours without files from %s on, and %d may be", n, at, most)
		at = start.Add(h.place.hour)
	}
}

// closedPartition is a partition in the manifest of an hour.
type closedPartition struct {
	Lane      string    `json:"lane"`
	Source    string    `json:"source"`
	Epoch     string    `json:"epoch,omitempty"`
	ID        string    `json:"id"`
	UpTo      string    `json:"up_to,omitempty"`
	Watermark time.Time `json:"watermark,omitzero"`
	Pending   int64     `json:"pending,omitempty"`
	Ended     bool      `json:"ended,omitempty"`
	Retired   bool      `json:"retired,omitempty"`
}
