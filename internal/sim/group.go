package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// group has the instances of the job, which lanes each should read, and what goes wrong with them.
type group struct {
	sched   *scheduler
	cfg     *config
	mishaps *mishaps
	src     *source
	store   *watched
	check   *checker

	procs   []*process          // alive
	senders []*sinktest.Faulty  // of all processes ever: their late requests may still come
	owner   map[string]*process // of each lane, as the group sees it
	born    int
	calm    bool // no faults any more
	looked  bool // a person has looked at why no hour closes
}

// start begins a process. Later ones are of the newer generation.
func (g *group) start() {
	g.born++
	p := &process{
		g: g, name: fmt.Sprintf("i%d", g.born), rand: rand.New(rand.NewPCG(g.sched.rng.Uint64(), uint64(g.born))),
		emptyHours: sink.DefaultEmptyHours, clicks: "clicks",
	}
	p.topics, p.generation = g.src.read()
	if g.cfg.versions.deploys && g.sched.chance(0.5) {
		p.clicks = "taps"
	}
	if g.cfg.versions.merges {
		p.merge = version{
			keys: true, views: g.sched.chance(0.8), clicks: g.sched.chance(0.5), gzip: g.sched.chance(0.2),
			unit: []int64{600, 2000, 10000}[g.sched.rng.IntN(3)], file: []int64{100, 400}[g.sched.rng.IntN(2)],
		}
	}
	if g.cfg.old {
		if p.emptyHours = emptyHours; g.looked {
			p.emptyHours = -1
		}
	}
	if g.mishaps.skew {
		p.skew = g.sched.upTo(48*time.Hour) - 24*time.Hour
		if !g.mishaps.jumpy && g.sched.chance(0.3) { // one of the two clocks is right, or nobody could know
			p.wall = p.skew
		}
	}
	p.faulty = sinktest.NewFaulty(g.store, p.before)
	p.faulty.After, p.faulty.Delay = p.after, -1
	g.procs, g.senders = append(g.procs, p), append(g.senders, p.faulty)
	g.sched.logf("%s begins, generation %d", p.name, p.generation)
	g.sched.spawn(p, p.name, p.main)
}

// die ends a process where it is.
func (g *group) die(p *process) {
	g.sched.logf("%s is killed", p.name)
	p.faulty.Crash()
	g.sched.kill(p)
	g.procs = slices.DeleteFunc(g.procs, func(q *process) bool { return p == q })
	for l, o := range g.owner {
		if o == p {
			delete(g.owner, l)
		}
	}
}

// misfortune kills, pauses and delays.
func (g *group) misfortune() {
	c := g.cfg
	if len(g.procs) > 0 && g.sched.chance(g.mishaps.crashes) {
		g.die(g.procs[g.sched.rng.IntN(len(g.procs))])
	}
	if len(g.procs) < c.instances && g.sched.chance(0.02) || c.upgrade && g.src.upgraded && len(g.procs) < c.instances+1 && g.sched.chance(0.01) {
		g.start()
	}
	for _, p := range g.procs {
		if p.paused && g.sched.chance(0.005) {
			p.paused = false
			g.sched.logf("%s goes on", p.name)
		} else if !p.paused && g.sched.chance(g.mishaps.pauses) {
			p.paused = true
			g.sched.logf("%s is paused", p.name)
		}
	}
	if len(g.procs) > 0 && g.sched.chance(g.mishaps.crashes) {
		g.procs[g.sched.rng.IntN(len(g.procs))].leaving = true
	}
	if len(g.senders) > 0 && g.sched.chance(0.05) {
		g.land(g.senders[g.sched.rng.IntN(len(g.senders))])
	}
}

// land lets a delayed request of somebody, dead or alive, take effect.
func (g *group) land(f *sinktest.Faulty) {
	if late := f.Late(); len(late) > 0 {
		i := g.sched.rng.IntN(len(late))
		g.sched.logf("late: %s %s", late[i].Op, late[i].Key)
		f.Land(i)
	}
}

// balance assigns lanes as a broker's group does: it notices the paused and the dead after a while, and moves lanes for no
// reason.
func (g *group) balance() {
	moves := g.mishaps.moves
	if g.mishaps.storm && g.sched.steps%200 < 60 {
		moves = 0.1
	}
	for _, l := range g.src.lanes {
		o := g.owner[l.name]
		if g.sched.now.Before(l.since) || !l.parts[0].hidden.IsZero() {
			continue
		}
		if o == nil && g.sched.chance(0.1) || o != nil && o.paused && g.sched.chance(0.02) || o != nil && g.sched.chance(moves) {
			g.assign(l)
		}
	}
}

func (g *group) assign(l *lane) {
	var able []*process
	for _, p := range g.procs {
		if !p.paused && p.reads(l) {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return
	}
	p := able[g.sched.rng.IntN(len(able))]
	if g.owner[l.name] != p {
		g.owner[l.name] = p
		g.sched.logf("lane %s goes to %s", l.name, p.name)
	}
}

// startLast begins the one process that completes what is left.
func (g *group) startLast() {
	g.start()
	for len(g.procs) > 1 {
		g.die(g.procs[0])
	}
}

// share gives that process all lanes, but for those that nobody reads for a while.
func (g *group) share() {
	for _, l := range g.src.lanes {
		if g.owner[l.name] == nil && len(g.procs) > 0 && !g.sched.now.Before(l.since) {
			g.owner[l.name] = g.procs[0]
		}
	}
}

// revoke takes a lane from whoever reads it.
func (g *group) revoke(l *lane) { delete(g.owner, l.name) }

// isNew is told that a lane is back that was over: whoever has let go of it may read it again.
func (g *group) isNew(l *lane) {
	for _, p := range g.procs {
		if p.eng != nil {
			delete(p.eng.over, l.name)
		}
	}
}

// calmDown lets no call of the store fail any more. One process begins that ends alone.
func (g *group) calmDown() {
	g.calm = true
	if g.sched.chance(0.5) {
		for len(g.procs) > 0 {
			g.die(g.procs[0])
		}
	}
	g.startLast()
}

// landAll lets all delayed requests take effect.
func (g *group) landAll() {
	for _, f := range g.senders {
		f.Land(-1)
	}
}

// end unwinds all actors.
func (g *group) end() {
	for _, p := range slices.Clone(g.procs) {
		g.sched.kill(p)
	}
}
