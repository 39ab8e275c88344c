package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// checkSnapshot compares the snapshot of the last entry with what was folded.
func (l *ledger) checkSnapshot(ctx context.Context) error {
	key := fmt.Sprintf("%ssnapshots/s0000/%020d", l.place.root, l.last)
	var s snapshot
	_, err := control(ctx, l.place.b, key, maxSnapshot, &s)
	if errors.Is(err, errNewer) {
		return err
	}
	if err != nil {
		l.place.bad(key, "%v", err)
		return nil
	}
	l.compared++
	if err := l.lanes.checkFinished(ctx, key, &s); err != nil {
		return err
	}
	if diff := difference(&s, l.state()); diff != "" {
		l.place.bad(key, "%s", diff)
	}
	return nil
}

// state is the folded state in the form of a snapshot.
func (l *ledger) state() *snapshot {
	s := &snapshot{
		header: headerOf(len(l.hours.seals) > 0), Genesis: l.genesisHash, Last: l.last, Hash: l.hash, Config: l.config, Closed: l.hours.closed, ClosedEntry: l.hours.closer,
		ClosedAt: l.hours.closedAt, Sealed: l.hours.sealed, Seals: l.hours.seals, Read: l.commits.read, Counts: l.commits.counts, Rows: l.hours.rows, Floor: l.lanes.floor, Over: l.lanes.over,
	}
	for name, ln := range l.lanes.lanes {
		s.Lanes = append(s.Lanes, snapshotLane{name, ln.version, ln.token})
	}
	for _, p := range l.lanes.parts {
		row := p.row
		if row.PendingBlob, row.PendingBefore = nil, 0; len(p.blobs) > 0 {
			row.Pending = nil
		}
		s.Partitions = append(s.Partitions, snapshotPartition{p.lane, row, p.blobs, p.retired})
	}
	for id, hours := range l.commits.pending {
		s.Unpublished = append(s.Unpublished, snapshotUnpublished{id, hours})
	}
	for _, h := range l.hours.open {
		s.Hours = append(s.Hours, snapshotHour{h.hourSum, h.first, h.last})
		if h.Packs > 0 {
			s.header = headerOf(true)
		}
	}
	slices.SortFunc(s.Lanes, func(a, b snapshotLane) int { return cmp.Compare(a.Lane, b.Lane) })
	slices.SortFunc(s.Partitions, func(a, b snapshotPartition) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Unpublished, func(a, b snapshotUnpublished) int { return cmp.Compare(a.Entry, b.Entry) })
	slices.SortFunc(s.Hours, func(a, b snapshotHour) int { return a.Hour.Compare(b.Hour) })
	return s
}

// fromTo says from when to when.
func fromTo(from, to time.Time) string {
	return from.UTC().Format("2006-01-02T15:04Z") + " to " + to.UTC().Format("2006-01-02T15:04Z")
}
