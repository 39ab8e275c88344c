package sim

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// laneWork is what an instance does in one lane, from acquisition to acquisition.
type laneWork struct {
	e          *engine
	assignment driver.Assignment
	parts      []*partWork
	ids        stage.Processor[*logRecord, *logRecord] // nil without dedup
	pairs      stage.Processor[*logRecord, *logRecord] // nil without a join of either kind
	tasks      stage.Processor[*logRecord, *logRecord] // nil without workers
	em         *stage.Emitter[*logRecord]

	origins map[record.Origin]*origin
	next    uint32
	from    time.Time // see reached
	warm    bool      // warmed up
	dirty   bool
}

// partWork is the progress of one partition.
type partWork struct {
	p      *partition
	base   driver.Progress
	upTo   int64
	clock  eventclock.Clock
	replay []int64 // pending positions that are not back

	ended    bool
	children []record.Partition
	counts   record.Counts
	read     int64
}

// why are the reasons of records without a row since the last cut: those of dead letters and of copies.
func (l *laneWork) why() map[record.Reason]int64 {
	why := map[record.Reason]int64{}
	for _, p := range l.parts {
		for fate, reason := range reasons {
			if n := p.counts[fate]; n > 0 {
				why[record.Reason{Fate: fate, Why: reason}] += n
			}
		}
	}
	return why
}

var reasons = map[record.Fate]string{record.Dead: "decode: bad record", record.Duplicate: "it is a copy"} // read only

// origin is a record in work.
type origin struct {
	id     record.Origin
	rec    *logRecord
	part   *partWork
	with   string // ID of what was merged into it
	holds  int
	into   *origin
	merged bool
	drop   *record.Fate
	rows   []record.Event[Row]
	back   bool // replayed
}

func (o *origin) root() *origin {
	for o.into != nil {
		o = o.into
	}
	return o
}

func newLaneWork(e *engine, a driver.Assignment, from map[record.Partition]driver.Progress) (*laneWork, error) {
	l := &laneWork{e: e, assignment: a, origins: map[record.Origin]*origin{}, dirty: a.Moved}
	l.em = stage.NewEmitter[*logRecord](stage.LookupFunc(l.lookup))
	for _, id := range a.Partitions {
		pr, p := from[id], e.src.parts[id]
		pw := &partWork{p: p, base: pr, upTo: pr.UpTo.Sub, clock: eventclock.Clock{MaxEventTime: pr.MaxEventTime, Jump: eventclock.Jump(pr.Jump)}, ended: pr.Ended, children: pr.Children}
		for _, n := range pr.Pending.Ordinals {
			pw.replay = append(pw.replay, pr.Pending.First.Sub+int64(n))
		}
		l.parts = append(l.parts, pw)
	}
	l.from = l.reached()
	sl := &stage.Lane{Name: a.Lane, Partitions: a.Partitions, Reached: l.from, Now: func() time.Time { return e.sched.now.Add(e.p.skew) }, Wake: func() {}}
	var err error
	if e.cfg.dedup {
		st := dedup.ByID(e.ids, func(r **logRecord) string { return (*r).id },
			&dedup.Options{Window: dedupWindow, Bucket: 5 * time.Second})
		if l.ids, err = st.Open(sl); err != nil {
			return nil, err
		}
	}
	key, isLeft := func(r **logRecord) string { return (*r).key }, func(r **logRecord) bool { return (*r).left }
	merge := func(left, right **logRecord) { l.pair(*left, *right) }
	switch {
	case e.cfg.join:
		l.pairs, err = join.Left(key, isLeft, merge, &join.Options{Window: window, Early: early, Grace: grace}).Open(sl)
	case e.cfg.asof:
		l.pairs, err = join.AsOf(key, isLeft, merge, &join.Options{Window: window, Grace: grace}).Open(sl)
	}
	if err == nil && e.tasks != nil {
		l.tasks, err = e.tasks.stage.Open(sl)
	}
	return l, err
}

// close ends what the lane's tasks are at.
func (l *laneWork) close() error {
	if c, ok := l.tasks.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// pair notes which right side a left one got. Records are shared by all instances, so it is kept at the origin.
func (l *laneWork) pair(left, right *logRecord) {
	for _, o := range l.origins {
		if o.rec == left {
			o.with = right.id
		}
	}
}

func (l *laneWork) lookup(o record.Origin) record.Ref {
	x := l.origins[o]
	if x == nil {
		return record.Ref{}
	}
	return record.Ref{Partition: &x.part.p.id, Position: record.Position{Sub: x.rec.pos}, Replayed: x.back}
}

// ready reports whether all pending records are back.
func (l *laneWork) ready() bool {
	return l.warm && !slices.ContainsFunc(l.parts, func(p *partWork) bool { return len(p.replay) > 0 })
}

// read delivers a few records: first those for warm-up, then the pending ones of all partitions, then new ones.
func (l *laneWork) read(ctx context.Context) error {
	if !l.warm {
		return l.warmUp(ctx)
	}
	if l.ready() {
		p := l.parts[l.e.sched.rng.IntN(len(l.parts))]
		if l.e.cfg.uneven && !l.e.p.g.calm && p == l.parts[0] && l.e.sched.chance(0.98) {
			p = l.parts[len(l.parts)-1]
		}
		batch := p.fresh(1 + l.e.sched.rng.IntN(5))
		if was := p.ended; !was {
			p.end()
			l.dirty = l.dirty || p.ended
		}
		return l.process(ctx, p, batch, false)
	}
	var open []*partWork
	for _, p := range l.parts {
		if len(p.replay) > 0 {
			open = append(open, p)
		}
	}
	p := open[l.e.sched.rng.IntN(len(open))]
	var batch []*logRecord
	for range min(len(p.replay), 1+l.e.sched.rng.IntN(5)) {
		batch = append(batch, p.p.log[p.replay[0]-1])
		p.replay = p.replay[1:]
	}
	return l.process(ctx, p, batch, true)
}

// fresh takes the next records above upTo, at most n.
func (p *partWork) fresh(n int) (batch []*logRecord) {
	for p.upTo < p.p.stable() && len(batch) < n {
		p.upTo++
		if r := p.p.log[p.upTo-1]; r.delivered() {
			batch = append(batch, r)
		}
	}
	return batch
}

// warmUp gives the stages the finished records again that are not too old for it. Partitions take turns as they like.
func (l *laneWork) warmUp(ctx context.Context) error {
	l.warm = true
	var stages []stage.Warmer[*logRecord, *logRecord]
	var reach time.Duration
	for _, st := range []stage.Processor[*logRecord, *logRecord]{l.ids, l.pairs} {
		if w, ok := st.(stage.Warmer[*logRecord, *logRecord]); ok && w.Warmup() > 0 {
			stages, reach = append(stages, w), max(reach, w.Warmup())
		}
	}
	if reach == 0 {
		return l.advance(ctx)
	}
	from := l.from.Add(-reach)
	parts := slices.Clone(l.parts)
	for _, id := range l.assignment.Elders {
		p := l.e.src.parts[id]
		parts = append(parts, &partWork{p: p, upTo: int64(len(p.log))})
	}
	next := make([]int64, len(parts))
	for len(parts) > 0 {
		i := l.e.sched.rng.IntN(len(parts))
		p := parts[i]
		if next[i]++; next[i] > p.upTo {
			parts, next = slices.Delete(parts, i, i+1), slices.Delete(next, i, i+1)
			continue
		}
		r := p.p.log[next[i]-1]
		if !r.delivered() || r.bad || r.time.Before(from) || slices.Contains(p.replay, r.pos) {
			continue
		}
		if err := l.warmWith(ctx, p, r, stages); err != nil {
			return err
		}
	}
	return l.advance(ctx)
}

// reached is where a warm-up counts from: event time, or the oldest pending record if that is older.
func (l *laneWork) reached() time.Time {
	at := l.eventTime()
	for _, p := range l.parts {
		if p.base.Pending.Len() > 0 {
			at = when.Earlier(at, p.base.PendingTime)
		}
	}
	return at
}

// warmWith passes a finished record through the stages.
func (l *laneWork) warmWith(ctx context.Context, p *partWork, r *logRecord, stages []stage.Warmer[*logRecord, *logRecord]) error {
	o := l.add(p, r, false)
	defer delete(l.origins, o.id)
	in := []record.Event[*logRecord]{{Value: r, Time: r.time, Origin: o.id}}
	for _, w := range stages {
		if err := w.Warm(ctx, in, l.em); err != nil {
			return err
		}
		events, _ := l.em.Take()
		in = slices.Clone(events)
	}
	return nil
}

func (l *laneWork) add(p *partWork, r *logRecord, back bool) *origin {
	l.next++
	o := &origin{id: record.NewOrigin(l.next), rec: r, part: p, back: back}
	l.origins[o.id] = o
	return o
}

// process runs a batch through the stages.
func (l *laneWork) process(ctx context.Context, p *partWork, batch []*logRecord, back bool) error {
	var in []record.Event[*logRecord]
	for _, r := range batch {
		o := l.add(p, r, back)
		if !back {
			p.read++
		}
		l.dirty = true
		if r.bad {
			continue
		}
		if now := l.e.sched.now; back {
			p.clock.Again(&rule, r.time, r.time, now)
		} else {
			p.clock.Read(&rule, r.time, r.time, now)
		}
		in = append(in, record.Event[*logRecord]{Value: r, Time: r.time, Origin: o.id})
	}
	for _, st := range []stage.Processor[*logRecord, *logRecord]{l.ids, l.pairs} {
		if st == nil {
			continue
		}
		if err := st.Process(ctx, in, l.em); err != nil {
			return err
		}
		var err error
		if in, err = l.take(); err != nil {
			return err
		}
	}
	if err := l.hand(ctx, in); err != nil {
		return err
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	return l.advance(ctx)
}

// take applies what a stage said.
func (l *laneWork) take() ([]record.Event[*logRecord], error) {
	events, ends := l.em.Take()
	for i := range ends {
		end := &ends[i]
		o := l.origins[end.Origin]
		if o == nil {
			return nil, fmt.Errorf("a stage speaks of an origin that is finished")
		}
		switch end.Kind {
		case stage.Pending:
			o.root().holds++
		case stage.Released:
			o.root().holds--
		case stage.MergedInto:
			into := l.origins[end.Into].root()
			into.holds += o.root().holds
			o.root().into, o.merged = into, true
		case stage.Dropped:
			fate := end.Fate
			o.drop = &fate
		case stage.Rejected:
			return nil, fmt.Errorf("a stage rejects: %w", end.Err)
		}
	}
	return slices.Clone(events), nil
}

// emit makes rows of what the last stage emitted.
func (l *laneWork) emit(events []record.Event[*logRecord]) {
	for i := range events {
		o, r := l.origins[events[i].Origin], events[i].Value
		row := Row{Owner: o.rec.String(), ID: r.id, With: o.with, Time: events[i].Time, click: r.click, unwanted: r.unwanted}
		o.rows = append(o.rows, record.Event[Row]{Value: row, Time: events[i].Time, Origin: o.id})
	}
}

// end notes that a partition ends, once all of it was read.
func (p *partWork) end() {
	if p.p.closed && p.upTo == int64(len(p.p.log)) {
		p.ended, p.children = true, p.p.childIDs()
	}
}

// bounds reports whether the clock of p limits that of its lane: it does not once it has ended and its children do.
func (l *laneWork) bounds(p *partWork) bool {
	return !p.ended || slices.ContainsFunc(p.children, func(c record.Partition) bool { return !slices.Contains(l.assignment.Partitions, c) })
}
