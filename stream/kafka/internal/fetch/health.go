package fetch

import (
	"errors"
	"time"

	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Lag returns how far delivery is behind, by the last answers.
func (r *Reader) Lag() driver.Lag {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lag driver.Lag
	now := time.Now()
	for _, p := range r.parts {
		if p.lastStable < 0 || p.plan == nil || p.plan.next < 0 || lag.Records < 0 {
			lag.Records = -1
			continue
		}
		lag.Records += max(0, p.lastStable-max(p.plan.next, p.plan.upTo))
	}
	for _, p := range r.parts {
		keeps := r.opts.Retention(p.topic)
		if keeps <= 0 || len(p.marks) == 0 || p.marks[0].time.IsZero() {
			continue
		}
		left := max(1, p.marks[0].time.Add(keeps).Sub(now)) // zero would say unknown
		if lag.Retention == 0 || left < lag.Retention {
			lag.Retention = left
		}
	}
	return lag
}

// Acked says up to where partitions are committed.
func (r *Reader) Acked(upTo map[record.Partition]record.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.parts {
		if at, ok := upTo[*p.name]; ok {
			p.acked(at.Sub)
		}
	}
}

// hanging is how long a producer's open transaction may keep back all that follows in a partition before it is told. Brokers
// end a transaction after its producer's transaction.timeout.ms, which they let be 15 minutes unless told otherwise. Until then
// nothing is wrong with it, but whoever wonders why nothing comes must not have to guess.
const hanging = 2 * time.Minute

// Stalled returns what should make progress and does not: halted partitions, partitions whose broker gives nothing usable,
// open transactions that hang. It is nil if all is well.
func (r *Reader) Stalled() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, e := range r.stalls(time.Now(), r.opts.Stall) {
		errs = append(errs, e)
	}
	for _, p := range r.parts {
		if p.health.broken != nil && !p.lane.gone {
			errs = append(errs, p.health.broken)
		}
	}
	return errors.Join(errs...)
}

// stalls are the things that have stood still for longer than limit.
func (r *Reader) stalls(now time.Time, limit time.Duration) []*limits.Stall {
	var out []*limits.Stall
	for _, p := range r.parts {
		if !p.active() || p.plan.fetched {
			continue
		}
		if p.lane.paused || p.out >= ahead {
			p.health.good = now // nobody is to blame
			continue
		}
		switch {
		case now.Sub(p.health.good) > limit:
			out = append(out, &limits.Stall{Source: "kafka", What: "partition " + p.name.String(), Since: p.health.good, Err: errors.Join(p.health.bad, r.blind)})
		case !p.health.open.IsZero() && now.Sub(p.health.open) > max(limit, hanging):
			out = append(out, &limits.Stall{Source: "kafka", What: "partition " + p.name.String(), Since: p.health.open, Err: errHanging})
		}
	}
	return out
}

var errHanging = errors.New("a producer's transaction that is open keeps back all records behind it, until the producer or the broker ends it " +
	"(kafka-transactions.sh describe-producers says whose it is)")

// tellOpen logs transactions that have been open for long, each once.
func (r *Reader) tellOpen(now time.Time) {
	for _, p := range r.parts {
		h := &p.health
		if h.open.IsZero() || h.openTold.Equal(h.open) || now.Sub(h.open) <= hanging {
			continue
		}
		h.openTold = h.open
		r.opts.Logger.Warn("an open transaction keeps records back", "partition", p.name.String(), "offset", p.lastStable, "for", now.Sub(h.open).Round(time.Second))
	}
}

// Watchdog replaces connections over which nothing comes, and gives up when that does not help.
func (r *Reader) Watchdog(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tellOpen(now)
	for _, e := range r.stalls(now, r.opts.GiveUp) {
		if !errors.Is(e.Err, errHanging) {
			r.fail(e)
			return
		}
	}
	for _, p := range r.parts {
		l := r.loops[p.broker]
		if l == nil || !p.active() || p.lane.paused || now.Sub(p.health.good) <= r.opts.Stall || now.Sub(l.born) <= r.opts.Stall {
			continue
		}
		r.opts.Logger.Warn("no progress: connecting anew", "partition", p.name.String(), "broker", l.addr, "error", p.health.bad)
		l.stop()
		delete(r.loops, p.broker)
		p.reroute(-1)
	}
}
