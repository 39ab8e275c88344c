package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/record"
)

// world is all that a run has: the store, the source, the group of instances and who checks them.
type world struct {
	*scheduler
	cfg   config
	store *sinktest.Memory
	check *checker

	lanes     []*lane
	away      []*lane // files that come back only as new ones, if at all
	parts     map[record.Partition]*partition
	partList  []*partition
	numbers   map[string]int // of lanes, by topic
	serial    int
	partners  []partnerOf
	copies    []*logRecord
	upgraded  bool // the second topic exists
	resharded int  // splits and merges so far

	procs   []*process          // alive
	senders []*sinktest.Faulty  // of all processes ever: their late requests may still come
	owner   map[string]*process // of each lane, as the group sees it
	born    int
	calm    bool // no faults any more
	looked  bool // a person has looked at why no hour closes

	off      time.Duration // of the store's clock
	stepEnds time.Time
}

func newWorld(seed uint64, o *Options) *world {
	start := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	w := &world{
		scheduler: newScheduler(seed, start, o.Trace), store: sinktest.NewMemory(),
		numbers: map[string]int{}, parts: map[record.Partition]*partition{}, owner: map[string]*process{},
	}
	w.store.Clock = func() time.Time { return w.now.Add(w.off) }
	w.check = newChecker(w)
	w.draw(o.Steps, o.Reshard)
	w.logf("seed %d: %+v", seed, w.cfg)
	for range w.cfg.lanes {
		w.addLane(w.topics("a")...)
	}
	if w.cfg.old {
		p := w.partList[w.rng.IntN(len(w.partList))]
		w.put(p, &logRecord{id: "old", time: w.now.Add(-100*hour - w.upTo(50*hour)), hash: p.lo})
	}
	for range w.cfg.instances {
		w.start()
	}
	return w
}

// topics are those of a lane that begins with topic.
func (w *world) topics(topic string) []string {
	if w.cfg.pairs {
		return []string{topic, topic + "x"}
	}
	return []string{topic}
}

// start begins a process. Later ones are of the newer generation.
func (w *world) start() {
	w.born++
	p := &process{
		w: w, name: fmt.Sprintf("i%d", w.born), rand: rand.New(rand.NewPCG(w.rng.Uint64(), uint64(w.born))),
		topics: []string{"a"}, generation: 1, emptyHours: sink.DefaultEmptyHours, clicks: "clicks",
	}
	if w.cfg.deploys && w.chance(0.5) {
		p.clicks = "taps"
	}
	if w.cfg.old {
		if p.emptyHours = emptyHours; w.looked {
			p.emptyHours = -1
		}
	}
	if w.cfg.pairs {
		p.topics = append(p.topics, "ax")
	}
	if w.upgraded {
		p.topics, p.generation = append(p.topics, "b"), 2
	}
	if w.cfg.skew {
		p.skew = w.upTo(48*time.Hour) - 24*time.Hour
		if !w.cfg.jumpy && w.chance(0.3) { // one of the two clocks is right, or nobody could know
			p.wall = p.skew
		}
	}
	p.faulty = sinktest.NewFaulty(&watched{w.store, w.check}, p.before)
	p.faulty.After, p.faulty.Delay = p.after, -1
	w.procs, w.senders = append(w.procs, p), append(w.senders, p.faulty)
	w.logf("%s begins, generation %d", p.name, p.generation)
	w.spawn(p, p.name, p.main)
}

// die ends a process where it is.
func (w *world) die(p *process) {
	w.logf("%s is killed", p.name)
	p.faulty.Crash()
	w.kill(p)
	w.procs = slices.DeleteFunc(w.procs, func(q *process) bool { return p == q })
	for l, o := range w.owner {
		if o == p {
			delete(w.owner, l)
		}
	}
}

// happen lets the world do something between two steps.
func (w *world) happen() {
	c := &w.cfg
	w.pass(w.upTo(time.Duration(50+w.rng.IntN(400)) * time.Millisecond))
	if w.chance(0.002) {
		w.pass(w.upTo(hour))
	}
	w.later()
	if w.chance(0.06) {
		w.produce()
	}
	if w.cfg.txns && w.chance(0.02) {
		w.endTxn(w.partList[w.rng.IntN(len(w.partList))])
	}
	if c.grows && w.numbers["a"] < 5 && w.chance(0.002) {
		w.addLane(w.topics("a")...)
	}
	if c.upgrade && !w.upgraded && w.chance(0.005) {
		w.upgraded = true
		w.addLane("b")
	}
	if c.retires && w.chance(0.003) {
		w.retire()
	}
	if c.files {
		w.fileEvents()
	}
	if c.reshards && w.chance(0.006) {
		w.reshard()
	}
	w.group()
	w.misfortune()
	w.setClock()
}

// setClock lets the store's clock step by a day, and back a while later.
func (w *world) setClock() {
	switch {
	case w.off != 0 && !w.now.Before(w.stepEnds):
		w.off = 0
		w.logf("the store's clock is back")
	case w.cfg.jumpy && w.off == 0 && w.now.Sub(w.stepEnds) > 2*stepPersists && w.chance(0.01):
		w.off, w.stepEnds = 24*time.Hour, w.now.Add(w.upTo(stepLasts))
		if w.chance(0.3) {
			w.off = -w.off
		}
		w.logf("the store's clock steps by %s", w.off)
	}
}

// retire lets a topic's partition be deleted, and a person take it out of the job.
func (w *world) retire() {
	l := w.lanes[w.rng.IntN(len(w.lanes))]
	p := l.parts[0]
	if len(w.lanes) == 1 || w.check.parts[p.id] == nil {
		return
	}
	w.logf("%s is deleted", p.id.ID)
	p.retired = true
	w.lanes = slices.DeleteFunc(w.lanes, func(m *lane) bool { return m == l })
	delete(w.owner, l.name)
	f := sinktest.NewFaulty(&watched{w.store, w.check}, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		w.Yield(string(c.Op) + " " + c.Key)
		return sinktest.Pass
	})
	person := &process{w: w, name: "person", rand: rand.New(rand.NewPCG(w.rng.Uint64(), 7))}
	w.spawn(nil, person.name, func() {
		ctx := env.With(context.Background(), person.env())
		if err := sink.Retire(ctx, f, "job", p.id, "deleted", nil); err != nil {
			w.check.violation("retire: %v", err)
		}
	})
}

// misfortune kills, pauses and delays.
func (w *world) misfortune() {
	c := &w.cfg
	if len(w.procs) > 0 && w.chance(c.crashes) {
		w.die(w.procs[w.rng.IntN(len(w.procs))])
	}
	if len(w.procs) < c.instances && w.chance(0.02) || c.upgrade && w.upgraded && len(w.procs) < c.instances+1 && w.chance(0.01) {
		w.start()
	}
	for _, p := range w.procs {
		if p.paused && w.chance(0.005) {
			p.paused = false
			w.logf("%s goes on", p.name)
		} else if !p.paused && w.chance(c.pauses) {
			p.paused = true
			w.logf("%s is paused", p.name)
		}
	}
	if len(w.procs) > 0 && w.chance(c.crashes) {
		w.procs[w.rng.IntN(len(w.procs))].leaving = true
	}
	if len(w.senders) > 0 && w.chance(0.05) {
		w.land(w.senders[w.rng.IntN(len(w.senders))])
	}
}

// land lets a delayed request of somebody, dead or alive, take effect.
func (w *world) land(f *sinktest.Faulty) {
	if late := f.Late(); len(late) > 0 {
		i := w.rng.IntN(len(late))
		w.logf("late: %s %s", late[i].Op, late[i].Key)
		f.Land(i)
	}
}

// group assigns lanes as a broker's group does: it notices the paused and the dead after a while, and moves lanes for no
// reason.
func (w *world) group() {
	moves := w.cfg.moves
	if w.cfg.storm && w.steps%200 < 60 {
		moves = 0.1
	}
	for _, l := range w.lanes {
		o := w.owner[l.name]
		if w.now.Before(l.since) || !l.parts[0].hidden.IsZero() {
			continue
		}
		if o == nil && w.chance(0.1) || o != nil && o.paused && w.chance(0.02) || o != nil && w.chance(moves) {
			w.assign(l)
		}
	}
}

func (w *world) assign(l *lane) {
	var able []*process
	for _, p := range w.procs {
		if !p.paused && p.reads(l) {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return
	}
	p := able[w.rng.IntN(len(able))]
	if w.owner[l.name] != p {
		w.owner[l.name] = p
		w.logf("lane %s goes to %s", l.name, p.name)
	}
}
