package fetch

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// lane is a lane that the group gave us. Reader.mu guards its fields.
type lane struct {
	r       *Reader
	name    string
	parts   []*part
	phase   phase
	started bool
	paused  bool
	gone    bool        // revoked
	waiting []*delivery // for Next, in order
}

// advance moves the lane into the next phase once all partitions have finished this one. It reports whether a warm-up
// ended.
func (l *lane) advance() (warm bool) {
	for l.phase < following {
		for _, p := range l.parts {
			if !p.plan.done {
				return warm
			}
		}
		warm = warm || l.phase == warming
		l.enter(l.phase + 1)
	}
	return warm
}

func (l *lane) enter(ph phase) {
	l.phase = ph
	for _, p := range l.parts {
		p.plan.enter(ph)
		p.look = !p.plan.done && p.plan.next < 0
		p.route++ // what is under way is of the phase before
		p.asked = false
	}
}

// moveOn moves the lane into its next phase once this one is over, and delivers the end of a warm-up.
func (l *lane) moveOn() {
	if l.advance() {
		d := l.delivery(nil, 0)
		d.batch.Warm, d.batch.WarmDone = true, true
		d.queueUp()
	}
	l.r.wakeLoops()
	for _, p := range l.parts {
		if p.look {
			l.r.opts.Kick()
		}
	}
}

// discard drops what waits for Next.
func (l *lane) discard() {
	for len(l.waiting) > 0 {
		l.waiting[0].unqueue()
	}
}

// delivery makes one, or takes one that was used before.
func (l *lane) delivery(p *part, from int64) *delivery {
	d := l.r.pool.delivery()
	if d == nil {
		d = &delivery{r: l.r, arena: arena{pool: &l.r.pool}}
		d.done = d.release
	}
	d.lane, d.part, d.from = l, p, from
	d.batch = driver.Batch{Lane: l.name, Undated: true, Done: d.done}
	return d
}

// fits refuses a warm-up for which the topic does not keep records long enough, rather than let the first restart fail.
func (l *lane) fits(warmup time.Duration) error {
	for _, p := range l.parts {
		if keeps := l.r.opts.Retention(p.topic); keeps > 0 && warmup > keeps {
			return fmt.Errorf("kafka: a stage needs the last %s of topic %q again after each restart, and the topic keeps records for %s:"+
				" raise its retention.ms, or shorten the window, or keep IDs in a shared store", warmup, p.topic, keeps)
		}
	}
	return nil
}
