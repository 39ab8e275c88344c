package sim

import (
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
)

// The scale of a simulation: an "hour" is a minute, so that a few hundred steps see many.
const (
	hour        = time.Minute
	lateness    = 15 * time.Second
	window      = 20 * time.Second // of the join
	early       = 5 * time.Second
	grace       = 3 * time.Second // records that are joined never come later than this
	copyWithin  = 30 * time.Second
	dedupWindow = 75 * time.Second
	haste       = 40 // of local clocks

	stepPersists = 20 * time.Second // until the store's clock is believed again
	stepLasts    = 15 * time.Second // at most

	emptyHours = 10 // that close in a row, where a record of long ago begins a log
)

// rule is that of jumps, on the scale of a simulation.
var rule = eventclock.Rule{Near: 14 * time.Second, Records: 8}

// config is what differs from run to run. It is drawn from the seed.
type config struct {
	instances int
	lanes     int
	pairs     bool // lanes have two partitions, which are joined
	join      bool
	dedup     bool
	txns      bool // producers have transactions
	grows     bool // partitions appear
	upgrade   bool // a second generation of instances reads another topic
	retires   bool
	reshards  bool // partitions split and merge
	files     bool // partitions end, are forgotten, and are not listed now and then
	odd       bool // some records have times far ahead
	old       bool // a record of long ago begins a log
	small     bool // entries are short, so that parts of them are blobs
	deploys   bool // processes of two versions run: a flow has another name in each

	ahead time.Duration // by which most clocks of producers go ahead; not where a join waits for time to pass

	steps   int
	faults  float64 // chance that a call of the store goes wrong
	crashes float64 // chances per step
	pauses  float64
	moves   float64
	storm   bool // lanes move all the time for a while
	skew    bool // local clocks are off by up to a day
	jumpy   bool // the store's clock steps by a day now and then, and back
}

// draw makes the configuration of a seed.
func (w *world) draw(steps int, reshard bool) {
	c := &w.cfg
	c.instances, c.lanes = 1+w.rng.IntN(3), 1+w.rng.IntN(3)
	c.join, c.dedup = w.chance(0.7), w.chance(0.6)
	c.pairs = c.join && w.chance(0.6)
	c.txns, c.grows, c.skew = w.chance(0.3), w.chance(0.5), w.chance(0.5)
	c.upgrade, c.retires = w.chance(0.25), !c.join && !c.dedup // a partner that is deleted has no one right answer
	c.small, c.deploys = w.chance(0.3), w.chance(0.3)
	if c.reshards = w.chance(0.4) || reshard; c.reshards {
		c.pairs, c.txns, c.retires = false, false, false // what has shards has no transactions, and nothing to pair
	}
	if c.files = !c.reshards && w.chance(0.4); c.files {
		c.txns, c.retires = false, false
	}
	c.old = !c.dedup && w.chance(0.2) // a store of IDs knows nothing of what is so old
	c.steps = steps/2 + w.rng.IntN(steps)
	if w.chance(0.02) {
		c.steps *= 10 // long enough for snapshots
	}
	rate := func(most float64) float64 {
		if w.chance(0.3) {
			return 0
		}
		return most * w.rng.Float64()
	}
	c.faults, c.crashes, c.pauses, c.moves = rate(0.15), rate(0.004), rate(0.01), rate(0.01)
	c.storm = w.chance(0.15)
	c.jumpy = w.chance(0.3)
	if c.odd = w.chance(0.5); !c.join && w.chance(0.5) {
		c.ahead = rule.Near
	}
	w.sticky = []float64{0, 0.5, 0.9}[w.rng.IntN(3)]
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// upTo is a random duration.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d) + 1)) }
