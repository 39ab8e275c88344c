package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// tick is how often the router looks whether anything needs it that nobody told it of.
	tick = time.Second

	// confirm is how long a fact that ends the job must last: brokers learn of changes one after the other.
	confirm = time.Second

	// forgotten is how long a topic must be missing until it counts as deleted.
	forgotten = 30 * time.Second

	// unequal is how long topics may have different numbers of partitions, while an operator adds some to each.
	unequal = 15 * time.Second
)

// router finds out, by one goroutine, who leads each partition and where to go on in it, and watches over health.
func (s *Source) router() {
	var viewed, odd time.Time
	for attempt := 0; ; {
		select {
		case <-s.ctx.Done():
			return
		case <-s.kick:
		case <-time.After(tick):
		}
		if s.troubled() || s.doubtful() || time.Since(viewed) > s.opts.Refresh {
			if attempt++; time.Since(viewed) > 2*tick {
				attempt = 0
			} else {
				pause(s.ctx, min(tick, 20*time.Millisecond<<min(attempt, 6)))
			}
			v, err := s.cluster.view(s.ctx, s.match)
			viewed = time.Now()
			s.note(err)
			if err == nil {
				odd = s.watch(v, odd)
				s.assignBrokers(v)
				s.lookUp(v)
			}
			if s.troubled() {
				s.wakeRouter()
			}
		}
		s.watchdog(time.Now())
	}
}

// wakeRouter makes the router look at once.
func (s *Source) wakeRouter() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// note keeps why there is no new metadata, nil if there is.
func (s *Source) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.ctx.Err() == nil && s.viewErr == nil {
		s.opts.Logger.Warn("no metadata", "error", err)
	}
	s.viewErr = err
}

// troubled reports whether a partition has nobody to read it from, or does not know where to go on.
func (s *Source) troubled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if !p.active() {
			continue
		}
		if p.broker < 0 || p.look || s.loops[p.broker] == nil || s.loops[p.broker].err != nil {
			return true
		}
	}
	return false
}

// doubtful reports whether a topic seems to have gone or to be another one.
func (s *Source) doubtful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known.astray) > 0
}

// watch looks for new topics and partitions. odd is since when the topics are uneven.
func (s *Source) watch(v *view, odd time.Time) time.Time {
	compacted, err := s.learn(s.ctx, v)
	switch {
	case err != nil && s.ctx.Err() == nil:
		s.opts.Logger.Warn("no settings of topics", "error", err)
	case len(compacted) > 0 && len(s.info.Compacted) == 0:
		s.fail(fmt.Errorf("kafka: topics %q, which are read now too, are compacted; start again so that the stages are checked", compacted))
	}
	if s.identify(v) {
		s.member.update(v)
	}
	if s.opts.Separate {
		return time.Time{}
	}
	err = v.uneven()
	switch {
	case err == nil:
		return time.Time{}
	case odd.IsZero():
		s.opts.Logger.Warn("topics have different numbers of partitions", "error", err)
		return time.Now()
	case time.Since(odd) > unequal:
		s.fail(err)
	}
	return odd
}

// fail makes Poll return err.
func (s *Source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *Source) failLocked(err error) {
	if s.fatal == nil && !errors.Is(err, context.Canceled) {
		s.fatal = err
		s.signal()
	}
}
