package main

import (
	"slices"
	"strings"
	"time"
)

// hours is what the ledger says of hours.
type hours struct {
	place *place

	since    time.Time             // when the job began, or its first hour
	open     map[time.Time]*hour   // with files
	files    map[time.Time][]*file // on-time ones, without packs
	packed   map[time.Time]bool    // with packs
	merged   map[time.Time][]*file // those of merge records
	rows     int64
	closes   []*closing
	closed   time.Time
	closer   uint64    // the last Close
	closedAt time.Time // what the clock said for it
	sealed   time.Time

	seals       []sealedAt
	packsSealed time.Time // through the last hour of these, whose packs may be gone
}

type hour struct {
	hourSum
	first, last uint64
}

func newHours(p *place) *hours {
	return &hours{place: p, open: map[time.Time]*hour{}, files: map[time.Time][]*file{}, packed: map[time.Time]bool{}, merged: map[time.Time][]*file{}}
}

func (h *hours) add(id uint64, sum hourSum) {
	o := h.open[sum.Hour]
	if o == nil {
		o = &hour{hourSum: hourSum{Hour: sum.Hour}, first: id}
		h.open[sum.Hour] = o
	}
	o.last = id
	o.Files, o.Rows, o.Bytes, o.Packs = o.Files+sum.Files, o.Rows+sum.Rows, o.Bytes+sum.Bytes, o.Packs+sum.Packs
	h.rows += sum.Rows
}

// manifestOf is what the manifest of a closed hour must say.
func (h *hours) manifestOf(c *closing, start time.Time) *hourManifest {
	m := &hourManifest{
		Format: 1, Job: h.place.name, Epoch: 1, Hour: start.UTC(), End: start.UTC().Add(h.place.hour), Entry: c.id, ClosedAt: c.close.At,
		Flows: map[string]flowSum{}, Files: []publicFile{}, Partitions: c.partitions, Read: c.read, Counts: c.counts,
	}
	for _, flow := range c.close.Flows {
		m.Flows[flow] = flowSum{}
	}
	files := slices.Concat(h.files[start.UTC()], h.merged[start.UTC()])
	slices.SortFunc(files, func(a, b *file) int { return strings.Compare(a.Key, b.Key) })
	for _, f := range files {
		m.Files = append(m.Files, public(f))
		m.Flows[f.Flow] = m.Flows[f.Flow].plus(f)
	}
	return m
}
