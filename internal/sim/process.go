package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/steady"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

// process is one instance of the job, from its start to its death.
type process struct {
	g          *group
	name       string
	rand       *rand.Rand // of tokens
	skew       time.Duration
	wall       time.Duration // by which the clock is off that the store's is compared with
	topics     []string
	generation uint64
	clicks     string // the name of the flow of clicks in its version
	merge      version
	emptyHours int64
	faulty     *sinktest.Faulty
	paused     bool
	leaving    bool // told to end
	eng        *engine
}

// version is what the version of a process says of files by key.
type version struct {
	keys          bool
	views, clicks bool // that are merged
	gzip          bool // files are compressed
	unit, file    int64
}

func (p *process) reads(l *lane) bool { return slices.Contains(p.topics, l.parts[0].topic) }

// env is the world as the sink sees it.
func (p *process) env() *env.Env {
	e := &env.Env{
		Rand: p.rand.Uint64, Sleep: p.g.sched.sleep, Now: p.local, Parallel: 1, Scheduler: p.g.sched, SnapshotEvery: 5, GoneAfter: time.Hour,
		Mono: func() time.Duration { return p.g.sched.now.Sub(p.g.sched.began) }, Wall: func() time.Time { return p.g.sched.now.Add(p.wall) },
		Steady: &steady.Limits{Step: 5 * time.Second, Persist: stepPersists, Apart: hour},
	}
	e.MergeUnit, e.MergeFile = p.merge.unit, p.merge.file
	if p.g.cfg.small {
		e.MaxEntry = 1500
	}
	return e
}

// before is called before each call of the store: others run, then the call's fortune is drawn.
func (p *process) before(_ context.Context, c sinktest.Call) sinktest.Mode {
	g, s := p.g, p.g.sched
	s.Yield(string(c.Op) + " " + c.Key)
	mode := sinktest.Pass
	if !g.calm && s.chance(g.mishaps.faults) {
		mode = []sinktest.Mode{
			sinktest.Refuse, sinktest.ApplyThenFail, sinktest.ApplyThenExist, sinktest.ApplyLate, sinktest.ApplyLate,
		}[s.rng.IntN(5)]
		s.logf("%s: %s %s: %s", p.name, c.Op, c.Key, mode)
	}
	return mode
}

// after is called when a call has taken effect, before its caller knows.
func (p *process) after(c sinktest.Call, err error) {
	if c.Op != sinktest.OpWrite && p.g.sched.chance(0.3) {
		p.g.sched.Yield("reply of " + string(c.Op))
	}
}

// main is the first actor of a process. An error ends the process as a crash would.
func (p *process) main() {
	err := p.run()
	g, s := p.g, p.g.sched
	s.logf("%s ends: %v", p.name, err)
	g.check.ended(p, err)
	s.at(s.now, func() { g.die(p) })
	for {
		s.Yield("ended")
	}
}

func (p *process) run() error {
	ctx := env.With(context.Background(), p.env())
	eng, err := openEngine(ctx, p)
	if err != nil {
		return err
	}
	p.eng = eng
	return eng.run(ctx)
}

// isFault reports whether err is of the simulated world, and not a mistake.
func isFault(err error) bool {
	return errors.Is(err, sinktest.ErrFault) || errors.Is(err, sinktest.ErrCrashed) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, driver.ErrFenced)
}

// local is the wall clock of a process. It runs fast, so that what an instance does every hour happens in a run too.
func (p *process) local() time.Time {
	return p.g.sched.now.Add(p.skew + haste*p.g.sched.now.Sub(p.g.sched.began))
}
