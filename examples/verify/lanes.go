package main

import (
	"cmp"
	"fmt"
	"slices"
)

// lanes is what the ledger says of lanes and partitions.
type lanes struct {
	place *place
	hours *hours

	lanes    map[string]lane
	parts    map[partition]*part
	floor    uint64 // who acquired an unknown lane before it may not know what was done in it
	over     int64  // partitions that were forgotten
	finished finished
}

type lane struct {
	version uint64
	token   string
}

func newLanes(p *place, h *hours) *lanes {
	return &lanes{place: p, hours: h, lanes: map[string]lane{}, parts: map[partition]*part{}, finished: finished{at: map[string]int{}}}
}

// base is the version that a commit of a lane must name.
func (s *lanes) base(name string) uint64 {
	if v, ok := s.lanes[name]; ok && v.version > 0 {
		return v.version
	}
	return s.hours.closer
}

func (s *lanes) retire(what string, e *entry) {
	r := e.Retire
	s.place.expect(r.Base == s.base(r.Lane), what, "lane %s: its base is entry %d, the lane was at %d", r.Lane, r.Base, s.base(r.Lane))
	p := s.parts[r.Partition]
	if p == nil {
		p = &part{lane: r.Lane, row: partitionRow{partition: r.Partition}}
		s.parts[r.Partition] = p
	}
	s.place.expect(!p.retired && p.lane == r.Lane, what, "partition %s was retired before, or is in lane %s", r.Partition, p.lane)
	p.retired = true
	s.lanes[r.Lane] = lane{e.ID, r.Token}
}

func (s *lanes) closedPartitions() (list []closedPartition) {
	for p, st := range s.parts {
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

// String says how many there are, for people.
func (s *lanes) String() string {
	if s.over == 0 {
		return fmt.Sprintf("%d partitions", len(s.parts))
	}
	return fmt.Sprintf("%d partitions, and %d that have ended", len(s.parts), s.over)
}
