package sim

import (
	"cmp"
	"io"
	"runtime/debug"
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
	TooLate      int // packs that were gone when a reader by key came to them
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
			w.check.bad.add("panic: %v\n%s", r, debug.Stack())
		}
		res = w.result(seed)
		w.group.end()
	}()
	buf := make([]*actor, 0, 16)
	for i := range w.cfg.steps {
		w.happen()
		if o.Reshard && i >= w.cfg.steps/2 && w.src.resharded == 0 {
			w.src.reshard()
		}
		if !w.sched.step(buf) {
			w.sched.pass(w.sched.nextWake())
		}
		if len(w.check.bad.list) > 0 {
			return
		}
	}
	w.settle(buf)
	return
}

// Steps is the usual length of a run.
const Steps = 800
