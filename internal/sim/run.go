package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"
)

// Result is what came of a run.
type Result struct {
	Seed         uint64
	Violations   []string
	Hash         uint64 // of the trace: the same for the same seed and program
	Steps        int
	Entries      int
	Records      int
	Seals        int
	Descended    int // entries that read what took the place of another partition
	Reshards     int // splits and merges
	Forgotten    int // partitions that had ended
	Gone         int // of those, forgotten for good
	PendingSteps int // pending sets that say only what has changed
}

// Options are the optional settings of Run; nil means all defaults.
type Options struct {
	// Steps with faults, about; then it goes on until all is done. Defaults to Steps.
	Steps int

	// Reshard lets partitions split and merge whatever the seed says, at least once in a run. Else they do in two runs of
	// five.
	Reshard bool

	// Trace gets what happens.
	Trace io.Writer
}

// Run simulates one seed.
func Run(seed uint64, opts *Options) (res Result) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Steps = cmp.Or(o.Steps, Steps)
	w := newWorld(seed, &o)
	defer func() {
		if r := recover(); r != nil {
			w.check.violation("panic: %v\n%s", r, debug.Stack())
		}
		res = w.result(seed)
		w.end()
	}()
	buf := make([]*actor, 0, 16)
	for i := range w.cfg.steps {
		w.happen()
		if o.Reshard && i >= w.cfg.steps/2 && w.resharded == 0 {
			w.reshard()
		}
		if !w.step(buf) {
			w.pass(w.nextWake())
		}
		if len(w.check.wrong) > 0 {
			return
		}
	}
	w.settle(buf)
	return
}

func (w *world) result(seed uint64) Result {
	r := Result{
		Seed: seed, Violations: w.check.wrong, Hash: w.hash.Sum64(), Steps: w.steps, Entries: len(w.check.entries), Seals: len(w.check.seals),
		Descended: w.check.descended, Reshards: w.resharded, Forgotten: len(w.check.forgotten), Gone: w.check.goneForGood, PendingSteps: w.check.steps,
	}
	for _, p := range w.partList {
		r.Records += len(p.log)
	}
	return r
}

// end unwinds all actors.
func (w *world) end() {
	for _, p := range append([]*process(nil), w.procs...) {
		w.kill(p)
	}
}

// settle stops the faults and checks that all work completes: what every instance left behind is done by one that begins
// now.
func (w *world) settle(buf []*actor) {
	w.logf("calm")
	w.calm, w.off = true, 0
	c := &w.cfg
	c.crashes, c.pauses, c.moves, c.storm = 0, 0, 0, false
	for _, p := range w.partList {
		if p.closed {
			continue
		}
		w.endTxn(p)
		w.append(p)
		w.endTxn(p)
	}
	if w.chance(0.5) {
		for len(w.procs) > 0 {
			w.die(w.procs[0])
		}
	}
	w.startLast()
	for _, l := range slices.Clone(w.lanes) {
		if !l.parts[0].hidden.IsZero() {
			w.takeAway(l)
		}
	}
	for _, f := range w.senders {
		f.Land(-1)
	}
	until := w.now.Truncate(hour)
	// Four of 20,000 seeds, with more than 50 splits and merges, need up to 23,000 steps: clocks that wait to be confirmed commit more.
	for i := range 40_000 {
		if i == looksAfter && c.old {
			w.looked = true
			w.startLast()
		}
		w.share()
		w.pass(w.upTo(200 * time.Millisecond))
		if !w.step(buf) {
			w.pass(w.nextWake())
		}
		if len(w.check.wrong) > 0 {
			return
		}
		if w.done(until) == "" && !w.comingBack() {
			w.loss()
			return
		}
	}
	w.check.violation("it does not end: %s", w.done(until))
}

// startLast begins the one process that completes what is left.
func (w *world) startLast() {
	w.start()
	for len(w.procs) > 1 {
		w.die(w.procs[0])
	}
}

// share gives that process all lanes, but for those that nobody reads for a while.
func (w *world) share() {
	for _, l := range w.lanes {
		if w.owner[l.name] == nil && len(w.procs) > 0 && !w.now.Before(l.since) {
			w.owner[l.name] = w.procs[0]
		}
	}
}

// done tells what is still to do; empty if nothing is.
func (w *world) done(until time.Time) string {
	c := w.check
	if r := c.finished(); r != nil {
		return fmt.Sprintf("%s is not finished", r)
	}
	if len(c.hours) > 0 && c.closed.Before(until) {
		return fmt.Sprintf("hours are closed through %s, not %s", c.closed.Format("15:04"), until.Format("15:04"))
	}
	for key := range c.named {
		if !c.public[key] {
			return key + " is not visible"
		}
	}
	for n := range c.owed {
		return fmt.Sprintf("manifest %d is missing", n)
	}
	for h := c.closedFrom; h.Before(c.closed); h = h.Add(hour) {
		for _, flow := range c.flowsOf(h) {
			if key := sealKey(flow, h); !c.seals[key] {
				return key + " is missing"
			}
		}
	}
	for s, err := range w.store.Staged(context.Background()) {
		return fmt.Sprintf("%s is still staged (%v)", s.Key, err)
	}
	return ""
}

// Steps is the usual length of a run.
const Steps = 800

// looksAfter is after how many calm steps a person looks at why hours do not close.
const looksAfter = 1500
