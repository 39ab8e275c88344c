package kafka

import (
	"errors"
	"time"
)

// hanging is how long an open transaction may be all that follows. Brokers end transactions after transaction.timeout.ms,
// which they allow to be 15 minutes at most by default: one that lasts longer hangs, and with it the partition.
const hanging = 15 * time.Minute

// Stalled tells what makes no progress though it should: halted partitions, partitions whose broker gives nothing usable,
// open transactions that hang, a group that cannot be joined. It is nil if all is well.
func (s *Source) Stalled() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, e := range s.stalls(time.Now(), s.opts.Stall) {
		errs = append(errs, e)
	}
	for _, p := range s.parts {
		if p.broken != nil && !p.lane.gone {
			errs = append(errs, p.broken)
		}
	}
	return errors.Join(errs...)
}

// stalls are the things that have stood still for longer than limit.
func (s *Source) stalls(now time.Time, limit time.Duration) []*StallError {
	var out []*StallError
	if s.session == nil && s.leaving == nil && s.member.began.Load() && now.Sub(s.memberSince) > limit {
		out = append(out, &StallError{What: "group " + s.conf.Group, Since: s.memberSince, Err: s.memberErr})
	}
	for _, p := range s.parts {
		if !p.active() || p.plan.fetched {
			continue
		}
		if p.lane.paused || p.out >= ahead {
			p.good = now // nobody is to blame
			continue
		}
		switch {
		case now.Sub(p.good) > limit:
			out = append(out, &StallError{What: "partition " + p.name.String(), Since: p.good, Err: errors.Join(p.bad, s.viewErr)})
		case !p.open.IsZero() && now.Sub(p.open) > max(limit, hanging):
			out = append(out, &StallError{What: "partition " + p.name.String(), Since: p.open, Err: errHanging})
		}
	}
	return out
}

var errHanging = errors.New("an open transaction is in the way")

// watchdog makes connections anew over which nothing comes, and gives up when that does not help.
func (s *Source) watchdog(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.stalls(now, s.opts.GiveUp) {
		if !errors.Is(e.Err, errHanging) {
			s.failLocked(e)
			return
		}
	}
	for _, p := range s.parts {
		l := s.loops[p.broker]
		if l == nil || !p.active() || p.lane.paused || now.Sub(p.good) <= s.opts.Stall || now.Sub(l.born) <= s.opts.Stall {
			continue
		}
		s.opts.Logger.Warn("no progress: connecting anew", "partition", p.name.String(), "broker", l.addr, "error", p.bad)
		l.stop()
		delete(s.loops, p.broker)
		p.reroute(-1)
	}
}
