package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// engine drives the sink as package stream says an engine does, in the smallest way: one actor reads, processes and cuts;
// another one commits, while the first fills the next transaction; a third does upkeep beside both.
type engine struct {
	p      *process
	sched  *scheduler
	cfg    *config
	src    *source
	out    driver.Output[Row]
	lanes  map[string]*laneWork
	over   map[string]bool // lanes that have ended, which are not wanted again
	open   driver.Txn[Row]
	commit *commit // under way, or not looked at yet
	upkeep *upkeep // as commit
	clock  record.Clock
	ids    *dedup.Memory
	tasks  *tasks // nil without workers

	owed []string // files that others had left when it began, and nobody else may publish

	shards []lineage.Shard // and what was known before they were listed
	known  map[record.Partition]driver.Standing
}

// commit is a transaction that is committing.
type commit struct {
	cut    driver.Cut
	owed   []string
	done   bool
	err    error
	cancel context.CancelFunc
}

// upkeep is a call of Maintain.
type upkeep struct {
	did    driver.Upkeep
	owed   []string // by then
	done   bool
	err    error
	cancel context.CancelFunc
}

// Row is what the flows get.
type Row struct {
	Owner string    `json:"o"`
	ID    string    `json:"id"`
	With  string    `json:"with,omitempty"` // ID of the right side
	Time  time.Time `json:"t"`

	click, unwanted bool
}

// flows are those of a version of the job, in which the flow of clicks has this name.
func flows(clicks string, v version) []sink.Flow[Row] {
	all := []sink.Flow[Row]{
		{Name: "views", Where: func(r *Row) bool { return !r.unwanted }, Format: format.JSONLines[Row](), Merge: v.views},
		{Name: clicks, Where: func(r *Row) bool { return r.click && !r.unwanted }, Format: format.JSONLines[Row](), Late: sink.LateDrop, Merge: v.clicks},
	}
	for i := range all {
		if v.keys {
			all[i].Keys = []sink.Key[Row]{{Name: "key", Value: func(r *Row) string { return r.Owner[len(r.Owner)-1:] }}}
		}
		if v.gzip {
			all[i].Codec = codec.Gzip
		}
	}
	return all
}

func openEngine(ctx context.Context, p *process) (*engine, error) {
	owed := p.g.check.owed()
	s, err := sink.Open(ctx, p.faulty, "job", flows(p.clicks, p.merge), &sink.Options{Hour: hour, Generation: p.generation, Keep: keep})
	if err != nil {
		return nil, err
	}
	e := &engine{p: p, sched: p.g.sched, cfg: p.g.cfg, src: p.g.src, lanes: map[string]*laneWork{}, over: map[string]bool{}, ids: dedup.NewMemory(nil), owed: owed}
	e.out = seal.Hourly(s, &seal.Options{Lateness: lateness, EmptyHours: p.emptyHours})
	err = e.out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "sim", Topics: p.topics}, Workers: 1})
	if err != nil {
		return nil, err
	}
	e.open = e.out.Begin(nil)
	if e.cfg.workers {
		e.tasks = newTasks(e)
	}
	return e, nil
}

// run is the loop of the engine.
func (e *engine) run(ctx context.Context) error {
	for {
		e.sched.Yield("loop")
		if err := e.letGo(ctx); err != nil {
			return err
		}
		if err := e.rebalance(ctx); err != nil {
			return err
		}
		if err := e.finishCommit(ctx); err != nil {
			return err
		}
		if e.upkeep != nil && e.upkeep.done {
			if err := e.finishUpkeep(); err != nil {
				return err
			}
		}
		if e.p.leaving {
			if err := e.endUpkeep(); err != nil {
				return err
			}
			return e.commitAll(ctx)
		}
		if err := e.work(ctx); err != nil {
			return err
		}
		var err error
		switch c := e.sched.rng.Float64(); {
		case c < 0.55:
			err = e.read(ctx)
		case c < 0.75:
			err = e.begin(ctx)
		case c < 0.85:
			err = e.proveIdle(ctx)
		case c < 0.97:
			e.maintain(ctx)
		default:
			err = e.sched.sleep(ctx, e.sched.upTo(2*time.Second))
		}
		if err != nil {
			return err
		}
	}
}

// work lets tasks work, and takes in what they have finished.
func (e *engine) work(ctx context.Context) error {
	if e.tasks == nil {
		return nil
	}
	e.tasks.work()
	for _, l := range e.sorted() {
		if err := l.pull(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) sorted() []*laneWork {
	var out []*laneWork
	for _, name := range slices.Sorted(maps.Keys(e.lanes)) {
		out = append(out, e.lanes[name])
	}
	return out
}

// rebalance follows what the group says.
func (e *engine) rebalance(ctx context.Context) error {
	want, err := e.wanted(ctx)
	if err != nil {
		return err
	}
	var revoked []string
	for _, l := range e.sorted() {
		same := func(a driver.Assignment) bool {
			return a.Lane == l.assignment.Lane && slices.Equal(a.Partitions, l.assignment.Partitions)
		}
		if !slices.ContainsFunc(want, same) {
			revoked = append(revoked, l.assignment.Lane)
		}
	}
	var added []driver.Assignment
	for _, a := range want {
		if e.lanes[a.Lane] == nil || slices.Contains(revoked, a.Lane) {
			added = append(added, a)
		}
	}
	if len(revoked) > 0 {
		if err := e.revoke(ctx, revoked); err != nil {
			return err
		}
	}
	if len(added) > 0 {
		return e.acquire(ctx, added)
	}
	return nil
}

// revoke commits what there is, or drops it, and lets go of lanes.
func (e *engine) revoke(ctx context.Context, lanes []string) error {
	again := !e.sched.chance(0.6)
	if !again {
		if err := e.commitAll(ctx); err != nil {
			return err
		}
	}
	for _, l := range lanes {
		if err := e.lanes[l].close(); err != nil {
			return err
		}
		delete(e.lanes, l)
	}
	if err := e.endUpkeep(); err != nil {
		return err
	}
	if err := e.out.Release(ctx, lanes); err != nil {
		return err
	}
	if again {
		return e.startOver(ctx)
	}
	return nil
}

// commitAll commits what there is and waits for the outcome.
func (e *engine) commitAll(ctx context.Context) error {
	for range 2 {
		for e.commit != nil && !e.commit.done {
			e.sched.Yield("wait for the commit")
		}
		if err := e.finishCommit(ctx); err != nil {
			return err
		}
		if err := e.begin(ctx); err != nil {
			return err
		}
	}
	for e.commit != nil && !e.commit.done {
		e.sched.Yield("wait for the last commit")
	}
	return e.finishCommit(ctx)
}

// acquire takes lanes over.
func (e *engine) acquire(ctx context.Context, as []driver.Assignment) error {
	if err := e.endUpkeep(); err != nil {
		return err
	}
	owed := e.p.g.check.owed()
	from, err := e.out.Acquire(ctx, as)
	if err != nil {
		return err
	}
	e.owed = owed
	for _, a := range as {
		e.sched.logf("%s acquires %s", e.p.name, a.Lane)
		l, err := newLaneWork(e, a, from)
		if err != nil {
			return err
		}
		e.lanes[a.Lane] = l
	}
	return nil
}

// startOver gives up all work that is not committed and reads the progress of all lanes again.
func (e *engine) startOver(ctx context.Context) error {
	if c := e.commit; c != nil {
		c.cancel()
		for !c.done {
			e.sched.Yield("wait for the abandoned commit")
		}
		e.commit = nil
	}
	_ = e.open.Drop(ctx) // the sweeper does what it cannot
	e.open = e.out.Begin(nil)
	var as []driver.Assignment
	for _, l := range e.sorted() {
		as = append(as, l.assignment)
		if err := l.close(); err != nil {
			return err
		}
	}
	e.lanes = map[string]*laneWork{}
	if len(as) == 0 {
		return nil
	}
	return e.acquire(ctx, as)
}

// begin cuts and lets another actor commit.
func (e *engine) begin(ctx context.Context) error {
	if e.commit != nil {
		return nil
	}
	cut := driver.Cut{Reasons: map[record.Reason]int64{}}
	for _, l := range e.sorted() {
		why := l.why()
		if c, ok := l.cut(); ok {
			cut.Lanes = append(cut.Lanes, c)
			for r, n := range why {
				cut.Reasons[r] += n
			}
		}
	}
	if len(cut.Lanes) == 0 {
		return nil
	}
	t := e.open
	c := &commit{cut: cut, owed: e.p.g.check.owed()}
	patience := time.Hour
	if !e.p.g.calm && e.sched.chance(0.1) {
		patience = e.sched.upTo(20 * time.Second)
	}
	ctx, c.cancel = e.sched.deadline(ctx, patience)
	e.commit = c
	e.open = e.out.Begin(t)
	e.sched.spawn(e.p, e.p.name+"/commit", func() {
		_, c.err = t.Commit(ctx, cut)
		c.done = true
		e.sched.logf("%s: commit: %v", e.p.name, c.err)
	})
	return nil
}

// finishCommit takes in the outcome of a commit that is over.
func (e *engine) finishCommit(ctx context.Context) error {
	c := e.commit
	if c == nil || !c.done {
		return nil
	}
	e.commit = nil
	c.cancel()
	switch {
	case c.err == nil:
		e.owed = c.owed
		for i := range c.cut.Lanes {
			if l := e.lanes[c.cut.Lanes[i].Lane]; l != nil {
				if err := l.committed(ctx, &c.cut.Lanes[i]); err != nil {
					return err
				}
			}
		}
		return nil
	case isFault(c.err):
		return e.startOver(ctx)
	}
	return fmt.Errorf("commit: %w", c.err)
}

// read processes a few records of one lane.
func (e *engine) read(ctx context.Context) error {
	lanes := e.sorted()
	if len(lanes) == 0 {
		return nil
	}
	return lanes[e.sched.rng.IntN(len(lanes))].read(ctx)
}

// proveIdle moves clocks of partitions whose logs have ended: T first, then the question.
func (e *engine) proveIdle(ctx context.Context) error {
	t, _, err := e.out.Now(ctx)
	if err != nil {
		return passing(err)
	}
	e.sched.Yield("ask for ends")
	for _, l := range e.sorted() {
		l.atEnd(t)
	}
	e.sched.Yield("told of ends")
	for _, l := range e.sorted() {
		if err := l.advance(ctx); err != nil {
			return err
		}
	}
	return nil
}

// maintain lets another actor do upkeep, unless one is at it.
func (e *engine) maintain(ctx context.Context) {
	if e.upkeep != nil {
		return
	}
	u := &upkeep{owed: e.owed}
	ctx, u.cancel = e.sched.deadline(ctx, time.Hour)
	e.upkeep = u
	e.sched.spawn(e.p, e.p.name+"/upkeep", func() {
		u.did, u.err = e.out.Maintain(ctx, e.listed)
		u.done = true
	})
}

func (e *engine) listed(context.Context) ([]record.Partition, error) {
	e.sched.Yield("ask for partitions")
	list := e.src.listed(e.p.topics)
	e.sched.Yield("told of partitions")
	return list, nil
}

// finishUpkeep takes in the outcome of upkeep that is over.
func (e *engine) finishUpkeep() error {
	u := e.upkeep
	e.upkeep = nil
	u.cancel()
	if u.err != nil {
		return passing(u.err)
	}
	e.clock = u.did.Clock
	if u.did.Settled {
		e.p.g.check.settled(e.p.name, u.owed)
	}
	return nil
}

// endUpkeep ends upkeep, if it is under way, before lanes come or go.
func (e *engine) endUpkeep() error {
	if e.upkeep == nil {
		return nil
	}
	e.upkeep.cancel()
	for !e.upkeep.done {
		e.sched.Yield("wait for upkeep")
	}
	return e.finishUpkeep()
}

// passing hides errors after which the engine goes on.
func passing(err error) error {
	if isFault(err) && !errors.Is(err, driver.ErrFenced) {
		return nil
	}
	return err
}

// letGo lets go of lanes that are over, as the engine does.
func (e *engine) letGo(ctx context.Context) error {
	if !e.cfg.files {
		return nil
	}
	var over []string
	for _, l := range e.sorted() {
		if !l.dirty && len(l.origins) == 0 && e.commit == nil && !slices.ContainsFunc(l.parts, func(p *partWork) bool {
			return !p.base.Ended || p.base.Pending.Len() > 0
		}) {
			over = append(over, l.assignment.Lane)
		}
	}
	if len(over) == 0 {
		return nil
	}
	if err := e.endUpkeep(); err != nil {
		return err
	}
	for _, name := range over {
		if err := e.lanes[name].close(); err != nil {
			return err
		}
		delete(e.lanes, name)
		e.over[name] = true
		e.sched.logf("%s lets go of %s", e.p.name, name)
	}
	return e.out.Release(ctx, over)
}
