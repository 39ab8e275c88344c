package txn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// predecessor waits until the transaction before this one is settled. Work on top of void work is void.
func (t *Txn) predecessor(ctx context.Context) error {
	a := t.after.Load()
	if a == nil {
		return nil
	}
	if _, err := t.l.journal.Objects.Env.Wait(ctx, a.settled, nil); err != nil {
		return err
	}
	if a.outcome == nil {
		return nil
	}
	return fmt.Errorf("sink: the transaction before this one did not commit: %w", a.outcome)
}

// advance computes the progress that t carries, for the next transaction and for its entry. It first waits until the
// transaction before is settled, so it builds on committed progress.
func (t *Txn) advance(ctx context.Context, cut driver.Cut) ([]ledger.LaneCommit, error) {
	if err := t.predecessor(ctx); err != nil {
		return nil, err
	}
	carried := make(map[string]*carriedLane, len(cut.Lanes))
	lanes := make([]ledger.LaneCommit, 0, len(cut.Lanes))
	for i := range cut.Lanes {
		c := &cut.Lanes[i]
		b, err := t.lane(ctx, c.Lane)
		if err != nil {
			return nil, err
		}
		before, err := t.before(ctx, c.Lane)
		if err != nil {
			return nil, err
		}
		next, parts := nextLane(before, c, t.l.opts.Lateness, t.l.owned(c.Lane))
		next.token, next.index = b.token, b.index
		carried[c.Lane] = next
		lanes = append(lanes, ledger.LaneCommit{Lane: c.Lane, Partitions: parts})
	}
	for name := range t.lanes {
		if carried[name] == nil {
			return nil, retry.Stop(fmt.Errorf("sink: lane %q wrote rows but is not in the cut", name))
		}
	}
	if len(carried) != len(lanes) {
		return nil, retry.Stop(errors.New("sink: a lane is twice in the cut"))
	}
	slices.SortFunc(lanes, func(a, b ledger.LaneCommit) int { return cmp.Compare(a.Lane, b.Lane) })
	t.carried = carried
	return lanes, nil
}

// nextLane returns the progress of a lane after cut, and the part of it that changes.
func nextLane(before *carriedLane, cut *driver.LaneCut, lateness time.Duration, h *owned) (*carriedLane, []ledger.PartitionCommit) {
	next := &carriedLane{parts: make(map[record.Partition]driver.Progress, len(before.parts))}
	for p, pr := range before.parts {
		next.parts[p] = pr
	}
	var changed []ledger.PartitionCommit
	for p, pr := range cut.Partitions {
		was := before.parts[p]
		is := ledger.Advance(was, pr, lateness, cut.Replaying)
		next.parts[p] = is
		for _, child := range is.Children {
			if _, known := next.parts[child]; !known {
				next.parts[child] = driver.Progress{MaxEventTime: is.MaxEventTime, Watermark: is.Watermark, Arrived: is.Arrived} // as the fold of this commit will have it
			}
		}
		read, counts := cut.Read[p], cut.Counts[p]
		if read != 0 || counts != (record.Counts{}) || !sameProgress(&was, &is) || h != nil && h.moved[p] {
			changed = append(changed, ledger.PartitionCommit{
				Partition: p, Progress: is, PendingLen: is.Pending.Len(), Read: read, Counts: counts, PendingBase: was.Pending,
			})
		}
	}
	slices.SortFunc(changed, func(a, b ledger.PartitionCommit) int { return a.Partition.Compare(b.Partition) })
	next.watermark = watermarkOf(next.parts)
	return next, changed
}

// watermarkOf is the smallest watermark of the partitions that can still give a record, or of all if none can.
func watermarkOf(parts map[record.Partition]driver.Progress) time.Time {
	var live, rest time.Time
	anyLive, anyRest := false, false
	for _, p := range parts {
		watermark, found := &live, &anyLive
		if p.Ended && p.Pending.Len() == 0 {
			watermark, found = &rest, &anyRest
		}
		if !*found || p.Watermark.Before(*watermark) {
			*watermark, *found = p.Watermark, true
		}
	}
	if anyLive {
		return live
	}
	return rest
}

func sameProgress(a, b *driver.Progress) bool {
	return sameBesideClocks(a, b) && a.MaxEventTime.Equal(b.MaxEventTime) && sameJump(&a.Jump, &b.Jump) && a.Watermark.Equal(b.Watermark) && a.Arrived.Equal(b.Arrived)
}

func sameJump(a, b *driver.Jump) bool {
	return a.Records == b.Records && a.To.Equal(b.To) && a.Newest.Equal(b.Newest)
}

func sameBesideClocks(a, b *driver.Progress) bool {
	return a.UpTo == b.UpTo && a.Pending.First == b.Pending.First && a.Pending.Through == b.Pending.Through &&
		slices.Equal(a.Pending.Ordinals, b.Pending.Ordinals) && a.PendingTime.Equal(b.PendingTime) &&
		a.Mark == b.Mark && a.Ended == b.Ended && slices.Equal(a.Children, b.Children)
}

// elidable reports whether a commit without files changes only clocks, and these within their hours. Skipping it is safe
// although the next transaction may have judged lateness by its watermarks: lateness changes only when a watermark crosses
// an hour. But who follows a lane would not see for up to an hour that an idle log was read to its end.
func (t *Txn) elidable(lanes []ledger.LaneCommit, cuts []driver.LaneCut) bool {
	for i := range cuts {
		if c := &cuts[i]; c.Followed && slices.ContainsFunc(lanes, func(l ledger.LaneCommit) bool { return l.Lane == c.Lane && len(l.Partitions) > 0 }) {
			return false
		}
	}
	hourOf := t.l.journal.Genesis().HourOf
	for i := range lanes {
		h := t.l.owned(lanes[i].Lane)
		if h == nil || len(h.from) > 0 {
			return false // base finds out; or partitions move
		}
		for k := range lanes[i].Partitions {
			p := &lanes[i].Partitions[k]
			was := h.parts[p.Partition]
			if p.Read != 0 || p.Counts != (record.Counts{}) || !sameBesideClocks(&was, &p.Progress) {
				return false
			}
			if t.l.opts.Lateness < 0 && !hourOf(was.MaxEventTime).Equal(hourOf(p.Progress.MaxEventTime)) {
				return false
			}
		}
		if !hourOf(h.watermark).Equal(hourOf(t.carried[lanes[i].Lane].watermark)) {
			return false
		}
	}
	return true
}
