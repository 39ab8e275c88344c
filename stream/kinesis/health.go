package kinesis

import (
	"errors"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

func asLost(err error, lost **LostError) bool { return errors.As(err, lost) }

// failing notes the error of a reader's request and returns how many there were in a row. Poll fails once that has lasted
// for Options.GiveUp.
func (s *Source) failing(r *reader, err error) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.bad == nil {
		r.badFrom = time.Now()
	}
	r.bad = err
	r.fails++
	if r.fails == 1 || r.fails%100 == 0 {
		s.opts.Logger.Warn("reading a shard fails", "shard", r.part.ID, "error", err, "attempt", r.fails)
	}
	if since := time.Since(r.badFrom); since > s.opts.GiveUp && r.run.lane.run == r.run {
		s.failLocked(&StallError{What: r.part.String(), Since: r.badFrom, Err: s.conf.advise("reading", err)})
	}
	return r.fails
}

// Stalled tells which shards have given nothing but errors for long.
func (s *Source) Stalled() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	now := time.Now()
	if s.listErr != nil && now.Sub(s.listFrom) > s.opts.Stall {
		errs = append(errs, &StallError{What: "the list of shards", Since: s.listFrom, Err: s.listErr})
	}
	for _, l := range s.lanes {
		if l.run == nil {
			continue
		}
		for _, r := range l.run.shards {
			if r.bad != nil && now.Sub(r.badFrom) > s.opts.Stall {
				errs = append(errs, &StallError{What: r.part.String(), Since: r.badFrom, Err: r.bad})
			}
		}
	}
	return errors.Join(errs...)
}

// Lag tells how long it is until the stream drops a record that we have not read. The service counts time, not records.
func (s *Source) Lag() driver.Lag {
	s.mu.Lock()
	defer s.mu.Unlock()
	lag := driver.Lag{Records: -1}
	for _, l := range s.lanes {
		if l.run == nil || s.keeps <= 0 {
			continue
		}
		for _, r := range l.run.shards {
			left := max(1, s.keeps-r.behind) // zero would say unknown
			if lag.Retention == 0 || left < lag.Retention {
				lag.Retention = left
			}
		}
	}
	return lag
}
