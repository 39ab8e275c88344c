package main

import (
	"cmp"
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

// foldClose checks that each hour could close.
func (l *ledger) foldClose(what string, e *entry) {
	c := e.Close
	l.r.expect(c.From.Before(c.Through) && l.isHour(c.From) && l.isHour(c.Through), what, "it closes from %s through %s", c.From, c.Through)
	if !l.closed.IsZero() {
		l.r.expect(c.From.Equal(l.closed), what, "hours close in order: the next one is %s, not %s", l.closed, c.From)
	}
	l.r.expect(l.closer == 0 || !l.sealed.Before(l.closed) || !e.Sealed.Before(l.closed), what, "the hours through %s are not known to be sealed", l.closed)
	l.r.expect(!c.At.Add(-time.Duration(c.LatenessNS)).Before(c.Through), what,
		"the clock was at %s, less than %s after %s", c.At, time.Duration(c.LatenessNS), c.Through)
	generation := uint64(0)
	if l.config != nil {
		generation = l.config.Generation
	}
	l.r.expect(c.Generation == generation, what, "it knows the topics of generation %d, the last is %d", c.Generation, generation)
	l.r.expect(len(l.parts) > 0 || l.over > 0, what, "no partition is known")
	l.r.expect(slices.IsSorted(c.Flows) && len(c.Flows) > 0, what, "flows %q", c.Flows)
	for p, st := range l.parts {
		if !st.retired && !st.row.Ended {
			l.r.expect(!st.row.Watermark.Before(c.Through), what, "partition %s has got to %s, before %s", p, st.row.Watermark, c.Through)
		}
	}
	for id, hours := range l.pending {
		l.r.expect(len(hours) == 0 || !hours[0].Before(c.Through), what, "files of entry %d are not published", id)
	}
	for h := range l.hours {
		l.r.expect(!h.Before(c.From), what, "hour %s, which has files, is before the first one that it closes, %s", h, c.From)
	}
	l.checkEmptyHours(what, c)
	maps.DeleteFunc(l.hours, func(h time.Time, _ *hour) bool { return h.Before(c.Through) })
	l.closed, l.closer, l.closedAt = c.Through, e.ID, c.At
	l.closes = append(l.closes, &closing{e.ID, c, l.closedPartitions(), l.read, l.counts})
}

// checkEmptyHours checks that no more hours in a row are without files than may be closed: as many as have passed since the
// job began, and those that this one says.
func (l *ledger) checkEmptyHours(what string, c *closeEntry) {
	l.r.expect(c.EmptyHours >= -1, what, "empty hours %d", c.EmptyHours)
	if c.EmptyHours < 0 {
		return
	}
	since := l.genesis.Created
	if start := l.genesis.Start; start != nil && start.Before(since) {
		since = *start
	}
	length := int64(l.hour / time.Second)
	most := c.EmptyHours + max(0, (c.At.Unix()-since.Unix())/length)
	full := []time.Time{c.Through}
	for h := range l.hours {
		if h.Before(c.Through) {
			full = append(full, h)
		}
	}
	slices.SortFunc(full, time.Time.Compare)
	at := c.From
	for _, h := range full {
		n := (h.Unix() - at.Unix()) / length
		l.r.expect(n <= most, what, "it closes %d hours without files from %s on, and %d may be", n, at, most)
		at = h.Add(l.hour)
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

func (l *ledger) closedPartitions() (list []closedPartition) {
	for p, st := range l.parts {
		r := &st.row
		if r.Ended && r.PendingLen == 0 && !st.retired {
			continue // no later hour has anything of it
		}
		list = append(list, closedPartition{st.lane, p.Source, p.Epoch, p.ID, r.UpTo, r.Watermark, r.PendingLen, r.Ended, st.retired})
	}
	slices.SortFunc(list, func(a, b closedPartition) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.ID, b.ID))
	})
	return list
}
