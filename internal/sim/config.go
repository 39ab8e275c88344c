package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
)

// The scale of a simulation: an "hour" is a minute, so that a few hundred steps see many.
const (
	hour        = time.Minute
	lateness    = 15 * time.Second
	window      = 20 * time.Second // of both joins
	early       = 5 * time.Second
	grace       = 3 * time.Second // records that are joined never come later than this
	copyWithin  = 30 * time.Second
	dedupWindow = 75 * time.Second
	haste       = 40 // of local clocks

	stepPersists = 20 * time.Second // until the store's clock is believed again
	stepLasts    = 15 * time.Second // at most

	keep = 2 * hour // of packs

	emptyHours = 10 // that close in a row, where a record of long ago begins a log
)

// rule is that of jumps, on the scale of a simulation.
var rule = eventclock.Rule{Near: 14 * time.Second, Records: 8}

// config is what differs from run to run. It is drawn from the seed.
type config struct {
	instances int
	lanes     int
	pairs     bool // lanes have two partitions, whose records meet
	join      bool
	asof      bool // an as-of join, many left events to one right one
	dedup     bool
	uneven    bool // some partitions of a lane are read more slowly than the others
	txns      bool // producers have transactions
	grows     bool // partitions appear
	upgrade   bool // a second generation of instances reads another topic
	retires   bool
	reshards  bool // partitions split and merge
	files     bool // partitions end, are forgotten, and are not listed now and then
	odd       bool // some records have times far ahead
	old       bool // a record of long ago begins a log
	small     bool // entries are short, so that parts of them are blobs
	workers   bool // tasks finish records in any order
	versions  versions

	ahead time.Duration // by which most clocks of producers go ahead; not where a join waits for time to pass

	steps int
}

// versions is how processes that run at the same time differ.
type versions struct {
	deploys bool // a flow has another name in each of two versions
	merges  bool // flows have keys, and some versions merge them
}

// mishaps is what goes wrong in a run, and how often. It is drawn from the seed, too.
type mishaps struct {
	faults  float64 // chance that a call of the store goes wrong
	crashes float64 // chances per step
	pauses  float64
	moves   float64
	storm   bool // lanes move all the time for a while
	skew    bool // local clocks are off by up to a day
	jumpy   bool // the store's clock steps by a day now and then, and back
}

// end stops what would disturb the instances.
func (m *mishaps) end() { m.crashes, m.pauses, m.moves, m.storm = 0, 0, 0, false }

// draw makes what differs from run to run of a seed.
func draw(s *scheduler, steps int, reshard bool) (*config, *mishaps) {
	c, m := &config{}, &mishaps{}
	c.instances, c.lanes = 1+s.rng.IntN(3), 1+s.rng.IntN(3)
	c.join, c.dedup = s.chance(0.7), s.chance(0.6)
	c.asof = !c.join && s.chance(0.5)
	c.pairs = c.asof && s.chance(0.8) || c.join && s.chance(0.6)
	c.uneven = c.pairs && s.chance(0.7)
	c.txns, c.grows, m.skew = s.chance(0.3), s.chance(0.5), s.chance(0.5)
	c.upgrade, c.retires = s.chance(0.25), !c.join && !c.asof && !c.dedup // a partner that is deleted has no one right answer
	c.small, c.versions.deploys = s.chance(0.3), s.chance(0.3)
	if c.reshards = s.chance(0.4) || reshard; c.reshards {
		c.pairs, c.txns, c.retires = false, false, false // what has shards has no transactions, and nothing to pair
	}
	if c.files = !c.reshards && s.chance(0.4); c.files {
		c.txns, c.retires = false, false
	}
	c.old = !c.dedup && s.chance(0.2) // a store of IDs knows nothing of what is so old
	c.steps = steps/2 + s.rng.IntN(steps)
	if s.chance(0.02) {
		c.steps *= 10 // long enough for snapshots
	}
	rate := func(most float64) float64 {
		if s.chance(0.3) {
			return 0
		}
		return most * s.rng.Float64()
	}
	m.faults, m.crashes, m.pauses, m.moves = rate(0.15), rate(0.004), rate(0.01), rate(0.01)
	m.storm = s.chance(0.15)
	m.jumpy = s.chance(0.3)
	c.versions.merges = s.chance(0.5)
	if c.odd = s.chance(0.5); !c.join && !c.asof && s.chance(0.5) {
		c.ahead = rule.Near
	}
	s.sticky = []float64{0, 0.5, 0.9}[s.rng.IntN(3)]
	return c, m
}

// settings is both in one, for the trace.
func settings(c *config, m *mishaps) string {
	return strings.Replace(fmt.Sprintf("%+v %+v", *c, *m), "} {", " ", 1)
}
