package fetch

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// answered takes over the answer for one partition.
func (p *part) answered(l *loop, a *ask, r *wire.Part, h scanned, now time.Time) {
	if r.Err != 0 {
		p.refused(sarama.KError(r.Err))
		return
	}
	p.lastStable = r.LastStable
	if p.plan.phase == following && r.HighWatermark >= 0 && (p.end.asked.IsZero() || p.end.offset <= a.from) {
		p.end = end{r.HighWatermark, a.sent}
	}
	switch {
	case r.Diverged:
		p.truncated(r.DivergedEnd)
		return
	case r.Preferred >= 0 && r.Preferred != l.id:
		p.replica = r.Preferred
		p.reroute(-1)
		p.lane.r.opts.Kick()
		return
	}
	if h.want > 0 {
		p.want = h.want // the next batch is larger than what we asked for
	}
	if h.whole == 0 {
		if r.LastStable <= a.from { // nothing to give is a good answer if there is nothing
			p.health.good, p.health.bad = now, nil
			p.openTransaction(r, now)
		}
		return
	}
	p.health.good, p.health.bad, p.health.open = now, nil, time.Time{}
	a.data, a.aborted = r.Data[:h.whole], r.Aborted
	p.plan.next = p.plan.skipTo(h.next)
	if p.plan.lastEpoch = h.epoch; p.plan.next != h.next {
		p.plan.lastEpoch = -1
	}
	if p.plan.next >= p.plan.stop {
		p.plan.fetched = true
	}
	p.out++
	p.working = l
}

// openTransaction notes since when only an open transaction follows.
func (p *part) openTransaction(r *wire.Part, now time.Time) {
	switch {
	case r.LastStable >= r.HighWatermark:
		p.health.open = time.Time{}
	case p.health.open.IsZero():
		p.health.open = now
	}
}

// refused handles an error for one partition.
func (p *part) refused(err sarama.KError) {
	p.health.bad = err
	switch err {
	case sarama.ErrOffsetOutOfRange:
		p.look = true
	case sarama.ErrTopicAuthorizationFailed:
		p.lane.r.fail(fmt.Errorf("kafka: %v: %w", p.name, err))
	}
	p.replica = -1
	p.reroute(-1)
	p.lane.r.opts.Kick()
}

// truncated handles a leader whose log differs from what we read, from the offset end on.
func (p *part) truncated(end int64) {
	k := p.plan
	if k.phase != following || k.consumed > end {
		p.lane.r.fail(p.lost(end, max(k.consumed, k.next), "the broker says that its log and what was read agree up to offset %d only; an unclean election of a leader does that", end))
		return
	}
	k.next, k.lastEpoch = end, -1
	p.end.asked = time.Time{}
	p.route++
}

// spoiled handles that a partition cannot go on at next.
func (p *part) spoiled(next int64, err error) {
	p.route++
	p.asked = false
	var corrupt *fault.Corrupt
	if !errors.As(err, &corrupt) || p.lane.r.opts.StopOnCorrupt {
		p.lane.r.fail(err)
		return
	}
	p.plan.next = next
	p.health.broken = err
	p.lane.r.opts.Logger.Error("partition is halted", "error", err)
}
