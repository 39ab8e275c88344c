package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// settle finishes the records that nobody holds: their rows enter the open transaction, all at once, and their fates are
// counted. Nothing finishes while pending records are coming back.
func (l *laneWork) settle(ctx context.Context) error {
	if !l.ready() {
		return nil
	}
	var done []*origin
	for _, id := range slices.SortedFunc(maps.Keys(l.origins), l.inOrder) {
		if o := l.origins[id]; o.root().holds == 0 {
			done = append(done, o)
		}
	}
	writer := driver.Writer{Lane: l.assignment.Lane}
	var rows []record.Event[Row]
	var dead []driver.DeadLetter
	for _, o := range done {
		rows = append(rows, o.rows...)
		if o.rec.bad {
			rec := record.Record{Partition: &o.part.p.id, Position: record.Position{Sub: o.rec.pos}, Value: []byte(o.rec.String()), Time: o.rec.time}
			dead = append(dead, driver.DeadLetter{Record: rec, Stage: "decode", Err: errBad, Read: l.e.sched.now.Add(l.e.p.skew)})
		}
	}
	fates := make([]record.Fate, len(rows))
	if len(rows) > 0 {
		if bad, err := l.e.open.Write(ctx, writer, rows, fates); err != nil || len(bad) > 0 {
			return errors.Join(err, badRows(bad))
		}
	}
	if len(dead) > 0 {
		if err := l.e.open.Reject(ctx, writer, dead); err != nil {
			return err
		}
	}
	best := map[record.Origin]record.Fate{}
	for i := range rows {
		if f, ok := best[rows[i].Origin]; !ok || f != record.Written {
			best[rows[i].Origin] = fates[i]
		}
	}
	for _, o := range done {
		o.part.counts[o.fate(best)]++
		l.dirty = true
		delete(l.origins, o.id)
	}
	return nil
}

var errBad = errors.New("bad record")

func badRows(bad []driver.BadRow) error {
	var err error
	for _, b := range bad {
		err = errors.Join(err, b.Err)
	}
	return err
}

func (l *laneWork) inOrder(a, b record.Origin) int {
	x, y := l.origins[a], l.origins[b]
	if c := x.part.p.id.Compare(y.part.p.id); c != 0 {
		return c
	}
	return int(x.rec.pos - y.rec.pos)
}

func (o *origin) fate(rows map[record.Origin]record.Fate) record.Fate {
	f, has := rows[o.id]
	switch {
	case o.rec.bad:
		return record.Dead
	case has && f != record.Filtered:
		return f
	case o.merged:
		return record.Merged
	case o.drop != nil:
		return *o.drop
	}
	return record.Filtered
}

// advance tells the stages the event time, once all pending records are back.
func (l *laneWork) advance(ctx context.Context) error {
	if !l.ready() {
		return nil
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	eventTime := l.eventTime()
	a, ok := l.pairs.(stage.Advancer[*logRecord])
	if l.pairs == nil || !ok || eventTime.IsZero() {
		return nil
	}
	if err := a.Advance(ctx, eventTime, l.em); err != nil {
		return err
	}
	events, err := l.take()
	if err != nil {
		return err
	}
	if err := l.hand(ctx, events); err != nil {
		return err
	}
	return l.settle(ctx)
}

// eventTime is the clock of the slowest partition.
func (l *laneWork) eventTime() time.Time {
	eventTime := record.EndOfTime
	for _, p := range l.parts {
		if l.bounds(p) {
			eventTime = when.Earlier(eventTime, p.clock.MaxEventTime)
		}
	}
	return eventTime
}

// atEnd asks whether the logs end at our positions; t was read before.
func (l *laneWork) atEnd(t time.Time) {
	for _, p := range l.parts {
		if p.p.atEnd(p.upTo) && !p.ended && !p.p.closed {
			l.dirty = p.clock.Prove(t) || l.dirty
		}
	}
}

// cut returns the progress since the last cut.
func (l *laneWork) cut() (driver.LaneCut, bool) {
	if !l.dirty || !l.ready() && l.e.sched.chance(0.7) {
		return driver.LaneCut{}, false
	}
	c := driver.LaneCut{
		Lane: l.assignment.Lane, Replaying: !l.ready(), Partitions: map[record.Partition]driver.Progress{},
		Counts: map[record.Partition]record.Counts{}, Read: map[record.Partition]int64{},
	}
	for _, p := range l.parts {
		g := p.base
		if l.ready() {
			g = driver.Progress{UpTo: record.Position{Sub: p.upTo}}
			g.Pending, g.PendingTime = l.pending(p)
			g.Ended, g.Children = p.ended, p.children
		}
		if p.ended {
			p.clock.Jump = eventclock.Jump{}
		}
		g.MaxEventTime, g.Jump = p.clock.MaxEventTime, driver.Jump(p.clock.Jump)
		if now := l.e.sched.now; g.MaxEventTime.After(now) { // the checker sees it only once it is committed, which takes as long as clocks go ahead
			l.e.p.g.check.bad.add("%s cuts %s at %s, the store's clock is at %s", l.e.p.name, p.p.id.ID, g.MaxEventTime.Format("15:04:05"), now.Format("15:04:05"))
		}
		c.Partitions[p.p.id], c.Counts[p.p.id], c.Read[p.p.id] = g, p.counts, p.read
		p.base, p.counts, p.read = g, record.Counts{}, 0
	}
	l.dirty = false
	return c, true
}

// pending are the records of p that are not finished.
func (l *laneWork) pending(p *partWork) (h driver.PendingSet, oldest time.Time) {
	var at []int64
	for _, o := range l.origins {
		if o.part != p {
			continue
		}
		at = append(at, o.rec.pos)
		if oldest.IsZero() || o.rec.time.Before(oldest) {
			oldest = o.rec.time
		}
	}
	if len(at) == 0 {
		return h, oldest
	}
	slices.Sort(at)
	h.First, h.Through = record.Position{Sub: at[0]}, uint64(p.upTo-at[0])+1
	for _, n := range at {
		h.Ordinals = append(h.Ordinals, uint32(n-at[0]))
	}
	return h, oldest
}

// committed tells the stages the clocks of the ledger.
func (l *laneWork) committed(ctx context.Context, cut *driver.LaneCut) error {
	w, ok := l.ids.(stage.ClockWatcher)
	if l.ids == nil || !ok || cut.Replaying {
		return nil
	}
	var c record.Clock
	first := true
	for _, p := range l.parts {
		pr := cut.Partitions[p.p.id]
		if l.bounds(p) && (first || pr.MaxEventTime.Before(c.MaxEventTime)) {
			c.MaxEventTime, first = pr.MaxEventTime, false
		}
		if !pr.PendingTime.IsZero() && (c.Pending.IsZero() || pr.PendingTime.Before(c.Pending)) {
			c.Pending = pr.PendingTime
		}
	}
	return w.Committed(ctx, record.Clocks{Lane: c, Job: l.e.clock})
}
