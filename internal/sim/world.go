package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// world is all that a run has: the source and who writes to it, the store, the group of instances and who checks them.
type world struct {
	sched     *scheduler
	cfg       *config
	mishaps   *mishaps
	store     *sinktest.Memory
	clock     *storeClock
	src       *source
	producers *producers
	check     *checker
	group     *group
	folder    *folder
	tenant    *tenant
}

func newWorld(seed uint64, o *Options) *world {
	s := newScheduler(seed, time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC), o.Trace)
	w := &world{sched: s, store: sinktest.NewMemory()}
	w.cfg, w.mishaps = draw(s, o.Steps, o.Reshard)
	w.cfg.workers = seed%3 == 1 // not drawn, so that the other seeds stay as they were
	w.clock = &storeClock{sched: s, steps: w.mishaps.jumpy}
	w.store.Clock = w.clock.now
	w.src = newSource(s, w.cfg)
	w.check = newChecker(s, w.cfg, w.src, w.store)
	w.producers = &producers{sched: s, cfg: w.cfg, src: w.src, committed: w.check.hours.visible}
	w.group = &group{
		sched: s, cfg: w.cfg, mishaps: w.mishaps, src: w.src, store: &watched{w.store, w.check}, check: w.check, owner: map[string]*process{},
	}
	w.folder = &folder{sched: s, src: w.src, prod: w.producers, group: w.group, check: w.check}
	w.tenant = newTenant(w, seed)
	s.logf("seed %d: %s", seed, settings(w.cfg, w.mishaps))
	for range w.cfg.lanes {
		w.src.addLane(w.src.topics()...)
	}
	if w.cfg.old {
		p := w.src.any()
		w.producers.put(p, &logRecord{id: "old", time: s.now.Add(-100*hour - s.upTo(50*hour)), hash: p.lo})
	}
	for range w.cfg.instances {
		w.group.start()
	}
	return w
}

// happen lets the world do something between two steps.
func (w *world) happen() {
	s := w.sched
	s.pass(s.upTo(time.Duration(50+s.rng.IntN(400)) * time.Millisecond))
	if s.chance(0.002) {
		s.pass(s.upTo(hour))
	}
	w.producers.later()
	if s.chance(0.06) {
		w.producers.produce()
	}
	if w.cfg.txns && s.chance(0.02) {
		w.producers.endTxn(w.src.any())
	}
	w.src.grow()
	if w.cfg.retires && s.chance(0.003) {
		w.retire()
	}
	if w.cfg.files {
		w.folder.happen()
	}
	if w.cfg.reshards && s.chance(0.006) {
		w.src.reshard()
	}
	w.group.balance()
	w.group.misfortune()
	w.clock.happen()
	w.tenant.happen()
}

// retire lets a topic's partition be deleted, and a person take it out of the job.
func (w *world) retire() {
	s, l := w.sched, w.src.anyLane()
	p := l.parts[0]
	if len(w.src.lanes) == 1 || w.check.progress.parts[p.id] == nil {
		return
	}
	s.logf("%s is deleted", p.id.ID)
	p.retired = true
	w.src.remove(l)
	w.group.revoke(l)
	f := sinktest.NewFaulty(w.group.store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		s.Yield(string(c.Op) + " " + c.Key)
		return sinktest.Pass
	})
	person := &process{g: w.group, name: "person", rand: rand.New(rand.NewPCG(s.rng.Uint64(), 7))}
	s.spawn(nil, person.name, func() {
		ctx := env.With(context.Background(), person.env())
		if err := sink.Retire(ctx, f, "job", p.id, "deleted", nil); err != nil {
			w.check.bad.add("retire: %v", err)
		}
	})
}

// settle stops the faults and checks that all work completes: what every instance left behind is done by one that begins
// now.
func (w *world) settle(buf []*actor) {
	s := w.sched
	s.logf("calm")
	w.clock.off = 0
	w.mishaps.end()
	w.producers.last()
	w.group.calmDown()
	for _, l := range slices.Clone(w.src.lanes) {
		if !l.parts[0].hidden.IsZero() {
			w.folder.takeAway(l)
		}
	}
	w.group.landAll()
	until := s.now.Truncate(hour)
	// Four of 20,000 seeds, with more than 50 splits and merges, need up to 23,000 steps: clocks that wait to be confirmed commit more.
	for i := range 40_000 {
		if i == looksAfter && w.cfg.old {
			w.look()
		}
		w.group.share()
		s.pass(s.upTo(200 * time.Millisecond))
		if !s.step(buf) {
			s.pass(s.nextWake())
		}
		if len(w.check.bad.list) > 0 {
			return
		}
		if w.check.missing(until) == "" && !w.folder.comingBack() {
			w.tenant.finish()
			w.loss()
			return
		}
	}
	w.check.bad.add("it does not end: %s", w.check.missing(until))
}

// looksAfter is after how many calm steps a person looks at why hours do not close.
const looksAfter = 1500

// look lets a person see why no hour closes, and begin a process that closes any number of empty ones.
func (w *world) look() {
	w.group.looked, w.check.hours.looked = true, true
	w.group.startLast()
}

func (w *world) result(seed uint64) Result {
	c := w.check
	r := Result{
		Seed: seed, Violations: c.bad.list, Hash: w.sched.hash.Sum64(), Steps: w.sched.steps, Entries: len(c.entries), Seals: len(c.hours.seals),
		Descended: c.progress.descended, Reshards: w.src.resharded, Forgotten: len(c.owners.forgotten), Gone: c.owners.forGood, PendingSteps: c.progress.steps,
		TooLate: w.tenant.behind,
	}
	for _, p := range w.src.partList {
		r.Records += len(p.log)
	}
	return r
}
