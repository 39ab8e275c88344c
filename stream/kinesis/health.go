package kinesis

import (
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// progress notes what a reader has got to.
func (q *reading) progress(r *reader, last record.Position, behind time.Duration, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.bad, r.fails, r.badFrom, r.behind = nil, 0, time.Time{}, behind
	if r.plan.phase != following {
		return
	}
	if !last.IsZero() {
		r.sent = last
	}
	r.caught = !ended
}

// failing notes the error of a reader's request and returns how many there were in a row. When they last for
// Options.GiveUp, Poll fails.
func (q *reading) failing(r *reader, err error) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.bad == nil {
		r.badFrom = time.Now()
	}
	r.bad = err
	r.fails++
	if r.fails == 1 || r.fails%100 == 0 {
		q.opts.Logger.Warn("reading a shard fails", "shard", r.part.ID, "error", err, "attempt", r.fails)
	}
	if since := time.Since(r.badFrom); since > q.opts.GiveUp && r.run.lane.run == r.run {
		q.stop(&StallError{Source: "kinesis", What: r.part.String(), Since: r.badFrom, Err: q.svc.Advise("reading", err)})
	}
	return r.fails
}

// stalled tells which shards have given nothing but errors for long.
func (q *reading) stalled() (errs []error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, l := range q.lanes {
		if l.run == nil {
			continue
		}
		for _, r := range l.run.shards {
			if r.bad != nil && now.Sub(r.badFrom) > q.opts.Stall {
				errs = append(errs, &StallError{Source: "kinesis", What: r.part.String(), Since: r.badFrom, Err: r.bad})
			}
		}
	}
	return errs
}

// lag is how long it takes until the stream drops a record that we have not read. The service counts time, not records.
func (q *reading) lag() driver.Lag {
	lag, keeps := driver.Lag{Records: -1}, q.list.Retention()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		if l.run == nil || keeps <= 0 {
			continue
		}
		for _, r := range l.run.shards {
			left := max(1, keeps-r.behind) // zero would say unknown
			if lag.Retention == 0 || left < lag.Retention {
				lag.Retention = left
			}
		}
	}
	return lag
}

// paceAt is the pace of a shard that we have read up to pos, with all user records of the record there; nil if we have not.
func (q *reading) paceAt(p record.Partition, pos record.Position) *service.Pace {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		if l.run == nil {
			continue
		}
		for _, r := range l.run.shards {
			if r.part == p && !r.plan.elder && r.sent == pos && r.caught {
				return r.pace
			}
		}
	}
	return nil
}
