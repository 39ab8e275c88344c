package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// commit makes w durable: see driver.Txn. The order of the steps is the protocol's: staged files are durable before the
// entry that names them, the entry before anything is published, and the manifest comes last.
func (w *work) commit(ctx context.Context, cut driver.Cut) error {
	if w.begun {
		return retry.Stop(errors.New("sink: Commit of a transaction after Commit or Drop: adopt its lanes again to learn its outcome"))
	}
	w.begun = true
	lanes, err := w.advance(ctx, cut)
	close(w.cut) // the next transaction may go on, whatever becomes of this one
	if err != nil {
		return w.fail(ctx, err)
	}
	if void := w.void.Load(); void != nil {
		return w.fail(ctx, void)
	}
	staged, err := w.set.Finish(ctx)
	if err != nil {
		return w.fail(ctx, w.explain(ctx, err))
	}
	files := filesOf(staged)
	w.lateRows = maps.Clone(w.lateDropped)
	for i := range files {
		if files[i].Kind == ledger.LateFile {
			w.lateRows[files[i].Flow] += files[i].Rows
		}
	}
	if len(files) == 0 && w.elidable(lanes) {
		w.settle(nil)
		return nil
	}
	e := &ledger.Entry{Kind: ledger.KindCommit, Token: newToken(w.k.env), Published: w.k.marks(), Sealed: w.k.sealedMark()}
	e.Commit = &ledger.Commit{
		Lanes: lanes, Files: files, Hours: ledger.SumHours(files),
		Reasons: ledger.ReasonsOf(cut.Reasons), LateDropped: ledger.RowsByFlow(w.lateDropped),
	}
	w.k.startPublishing()
	defer w.k.stopPublishing()
	id, err := w.append(ctx, e)
	if err != nil {
		return err
	}
	w.k.saveSnapshot(ctx, id)
	if err := w.k.publish(ctx, e); err != nil {
		return fmt.Errorf("sink: committed as entry %d, but not all of its files are published: %w", id, err)
	}
	return nil
}

// filesOf is how the ledger tells of staged files.
func filesOf(staged []files.File) []ledger.File {
	list := make([]ledger.File, len(staged))
	for i, f := range staged {
		list[i] = ledger.File{
			Flow: f.Flow, Kind: ledger.FileKind(f.Kind), Hour: f.Hour, Key: f.Key, Length: f.Length, Rows: f.Rows, CRC32C: f.CRC32C, Ref: f.Ref,
		}
	}
	return list
}

// fail gives the work up before an append was tried, or after it was settled that no entry names its files.
func (w *work) fail(ctx context.Context, err error) error {
	w.settle(err)
	if err := w.set.Abort(context.WithoutCancel(ctx)); err != nil {
		w.k.log.Warn("cannot delete staged files; the sweeper will", "err", err)
	}
	return err
}

// predecessor waits until the transaction before this one is settled. Work that builds on void work is void.
func (w *work) predecessor(ctx context.Context) error {
	a := w.after.Load()
	if a == nil {
		return nil
	}
	if _, err := w.k.env.Wait(ctx, a.settled, nil); err != nil {
		return err
	}
	if a.outcome == nil {
		return nil
	}
	return fmt.Errorf("sink: the transaction before this one did not commit: %w", a.outcome)
}

// append writes the entry and settles w.
func (w *work) append(ctx context.Context, e *ledger.Entry) (uint64, error) {
	err := w.k.base(e.Commit, w)
	if err != nil {
		return 0, w.fail(ctx, err)
	}
	id, err := w.k.append(ctx, e, nil)
	switch {
	case errors.Is(err, errUnsettled):
		// What was staged stays: an entry may name it, now or later. The sweeper deletes it once none can.
		w.settle(err)
		return 0, err
	case err != nil:
		return 0, w.fail(ctx, err)
	}
	w.k.committed(id, e.Commit, w)
	w.settle(nil)
	return id, nil
}

// base says on which versions c builds: those that our own last commits made, or that the lanes had when they were
// adopted. Another adoption meanwhile makes w void.
func (k *keeper) base(c *ledger.Commit, w *work) error {
	k.lanesMu.Lock()
	defer k.lanesMu.Unlock()
	for i := range c.Lanes {
		l := &c.Lanes[i]
		b, h := w.lanes[l.Lane], k.lanes[l.Lane]
		if h == nil || h.token != b.token {
			return &ledger.VoidError{Lane: l.Lane, Reason: "the lane was adopted again or released"}
		}
		l.Token, l.Base = b.token, cmp.Or(h.version, b.closedEntry)
		if h.version == 0 {
			l.Adopted = h.index
		}
	}
	return k.baseOfMoves(c)
}

// baseOfMoves adds the lanes that partitions come from. It needs lanesMu.
func (k *keeper) baseOfMoves(c *ledger.Commit) error {
	byLane := func(l ledger.LaneCommit, name string) int { return cmp.Compare(l.Lane, name) }
	added := map[string]ledger.LaneCommit{}
	for _, l := range c.Lanes {
		for from, version := range k.lanes[l.Lane].from {
			base := version
			if i, found := slices.BinarySearchFunc(c.Lanes, from, byLane); found {
				base = c.Lanes[i].Base
			} else if a, found := added[from]; found {
				base = a.Base
			} else {
				added[from] = ledger.LaneCommit{Lane: from, Base: version, Token: l.Token}
			}
			if base != version {
				return &ledger.VoidError{Lane: from, Reason: "a partition was to come from it, and it went on"}
			}
		}
	}
	if len(added) > 0 {
		c.Lanes = slices.AppendSeq(c.Lanes, maps.Values(added))
		slices.SortFunc(c.Lanes, func(a, b ledger.LaneCommit) int { return cmp.Compare(a.Lane, b.Lane) })
	}
	return nil
}

// committed makes what c carries the base of what comes next.
func (k *keeper) committed(id uint64, c *ledger.Commit, w *work) {
	k.lanesMu.Lock()
	defer k.lanesMu.Unlock()
	batches := make(map[ledger.Token]int, len(c.Lanes)) // of the adoptions that c is of
	for i := range c.Lanes {
		l := &c.Lanes[i]
		h, next := k.lanes[l.Lane], w.carried[l.Lane]
		if h != nil && h.token == l.Token {
			batches[h.token] = h.batch
			if len(h.from) > 0 {
				k.adoptions++      // an owner object that is being written is out of date
				k.owner.Store(nil) // what is staged from now on comes from no other lane
			}
			k.lanes[l.Lane] = &held{carriedLane: *next, version: id, adopted: h.adopted, batch: h.batch}
		}
	}
	k.movedOn(id, c, batches)
}

// movedOn keeps the version of a lane that our own commit c touched, for lanes whose partitions are still to come from it:
// they are as they were. Only those count that were adopted together, since a sweeper knows their tokens. A commit once
// took seconds here, since it looked at every lane for every lane. It needs lanesMu.
func (k *keeper) movedOn(id uint64, c *ledger.Commit, batches map[ledger.Token]int) {
	var touched map[string]*ledger.LaneCommit
	for name, h := range k.lanes {
		if len(h.from) == 0 {
			continue
		}
		if touched == nil {
			touched = make(map[string]*ledger.LaneCommit, len(c.Lanes))
			for i := range c.Lanes {
				touched[c.Lanes[i].Lane] = &c.Lanes[i]
			}
		}
		next := *h
		next.from = maps.Clone(h.from)
		for from, version := range h.from {
			l := touched[from]
			if l == nil || version != l.Base {
				continue
			}
			if batch, ours := batches[l.Token]; ours && batch == h.batch {
				next.from[from] = id
			}
		}
		k.lanes[name] = &next
	}
}

// advance works out the progress that w carries, for the next transaction and for its entry. It waits until the
// transaction before is settled, so it builds on what is committed.
func (w *work) advance(ctx context.Context, cut driver.Cut) ([]ledger.LaneCommit, error) {
	if err := w.predecessor(ctx); err != nil {
		return nil, err
	}
	carried := make(map[string]*carriedLane, len(cut.Lanes))
	lanes := make([]ledger.LaneCommit, 0, len(cut.Lanes))
	for i := range cut.Lanes {
		c := &cut.Lanes[i]
		b, err := w.lane(ctx, c.Lane)
		if err != nil {
			return nil, err
		}
		before, err := w.before(ctx, c.Lane)
		if err != nil {
			return nil, err
		}
		next, parts := nextLane(before, c, w.k.lateness(), w.k.heldLane(c.Lane))
		next.token, next.index = b.token, b.index
		carried[c.Lane] = next
		lanes = append(lanes, ledger.LaneCommit{Lane: c.Lane, Partitions: parts})
	}
	for name := range w.lanes {
		if carried[name] == nil {
			return nil, retry.Stop(fmt.Errorf("sink: lane %q wrote rows but is not in the cut", name))
		}
	}
	if len(carried) != len(lanes) {
		return nil, retry.Stop(errors.New("sink: a lane is twice in the cut"))
	}
	slices.SortFunc(lanes, func(a, b ledger.LaneCommit) int { return cmp.Compare(a.Lane, b.Lane) })
	w.carried = carried
	return lanes, nil
}

// nextLane returns the progress of a lane after cut, and what of it changes.
func nextLane(before *carriedLane, cut *driver.LaneCut, lateness time.Duration, h *held) (*carriedLane, []ledger.PartitionCommit) {
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
				next.parts[child] = driver.Progress{Seen: is.Seen, Low: is.Low, Arrived: is.Arrived} // as the fold of this commit will have it
			}
		}
		read, counts := cut.Read[p], cut.Counts[p]
		if read != 0 || counts != (record.Counts{}) || !sameProgress(&was, &is) || h != nil && h.moved[p] {
			changed = append(changed, ledger.PartitionCommit{
				Partition: p, Progress: is, HeldLen: is.Held.Len(), Read: read, Counts: counts, HeldBase: was.Held,
			})
		}
	}
	slices.SortFunc(changed, func(a, b ledger.PartitionCommit) int { return a.Partition.Compare(b.Partition) })
	next.low = lowOf(next.parts)
	return next, changed
}

// lowOf is the smallest low of the partitions that can still give a record; if none can, of all.
func lowOf(parts map[record.Partition]driver.Progress) time.Time {
	var live, rest time.Time
	anyLive, anyRest := false, false
	for _, p := range parts {
		low, found := &live, &anyLive
		if p.Ended && p.Held.Len() == 0 {
			low, found = &rest, &anyRest
		}
		if !*found || p.Low.Before(*low) {
			*low, *found = p.Low, true
		}
	}
	if anyLive {
		return live
	}
	return rest
}

func sameProgress(a, b *driver.Progress) bool {
	return sameBesideClocks(a, b) && a.Seen.Equal(b.Seen) && sameJump(&a.Jump, &b.Jump) && a.Low.Equal(b.Low) && a.Arrived.Equal(b.Arrived)
}

func sameJump(a, b *driver.Jump) bool {
	return a.Records == b.Records && a.To.Equal(b.To) && a.Newest.Equal(b.Newest)
}

func sameBesideClocks(a, b *driver.Progress) bool {
	return a.UpTo == b.UpTo && a.Held.First == b.Held.First && a.Held.Through == b.Held.Through &&
		slices.Equal(a.Held.Ordinals, b.Held.Ordinals) && a.HeldTime.Equal(b.HeldTime) &&
		a.Mark == b.Mark && a.Ended == b.Ended && slices.Equal(a.Children, b.Children)
}

// elidable reports whether a commit without files changes nothing but clocks, within their hours: then it need not be
// written. The next transaction may have decided lateness by the clocks that this one carries: within an hour they all
// decide alike.
func (w *work) elidable(lanes []ledger.LaneCommit) bool {
	for i := range lanes {
		h := w.k.heldLane(lanes[i].Lane)
		if h == nil || len(h.from) > 0 {
			return false // base finds out; or partitions move
		}
		for k := range lanes[i].Partitions {
			p := &lanes[i].Partitions[k]
			was := h.parts[p.Partition]
			if p.Read != 0 || p.Counts != (record.Counts{}) || !sameBesideClocks(&was, &p.Progress) {
				return false
			}
			if w.k.seal == nil && !w.k.hourOf(was.Seen).Equal(w.k.hourOf(p.Progress.Seen)) {
				return false
			}
		}
		if !w.k.hourOf(h.low).Equal(w.k.hourOf(w.carried[lanes[i].Lane].low)) {
			return false
		}
	}
	return true
}

func (k *keeper) hourOf(t time.Time) time.Time { return t.UTC().Truncate(k.opts.Hour) }

// lateness is what is subtracted from the newest event time; negative: hours are not closed.
func (k *keeper) lateness() time.Duration {
	if k.seal == nil {
		return -1
	}
	return max(k.seal.Lateness, 0)
}
