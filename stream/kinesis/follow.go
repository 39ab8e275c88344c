package kinesis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// follow keeps the list of lanes up to date with the ledger and the service's shards.
func (s *Source) follow(ctx context.Context) {
	var leases []string
	for n := 0; ctx.Err() == nil; {
		known, lanes, err := s.look(ctx)
		s.looked(err)
		if err != nil {
			n++
			_ = pause(ctx, min(backoff(n), s.opts.Refresh), nil)
			continue
		}
		n = 0
		next := leasesOf(lanes)
		var kept []string
		if !slices.Equal(next, leases) || leases == nil {
			kept = s.kept(lanes)
			leases = next
			s.assigner.SetLanes(leases, kept)
		}
		s.mu.Lock()
		s.want = lanes
		s.leases = union(s.leases, kept) // as the assigner will say
		s.watching = s.watchful(known)
		s.release()
		s.wakePoll()
		s.mu.Unlock()
		_ = pause(ctx, jitter(s.opts.Refresh), s.news)
	}
}

// kept are the leases of lanes that we read under another lease, that of the lane which they were in until now.
func (s *Source) kept(lanes []lineage.Lane) (kept []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range lanes {
		l := s.lanes[w.Lane]
		if l == nil || l.lease == w.Lease {
			continue
		}
		_, had := slices.BinarySearch(s.leases, l.lease)
		if _, has := slices.BinarySearch(s.leases, w.Lease); had && !has {
			kept = append(kept, w.Lease)
		}
	}
	return kept
}

// union is sorted, and so is a.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// release tells the assigner of leases that it has taken back, once we have no lane of them any more. It needs s.mu.
func (s *Source) release() {
	if s.told {
		return // lanes that were revoked may still commit
	}
	have := map[string]bool{}
	for _, l := range s.lanes {
		have[l.lease] = true
	}
	for lease := range s.owed {
		if !have[lease] {
			delete(s.owed, lease)
			s.assigner.Release(lease)
		}
	}
}

// look reads the ledger, then lists the shards: so children of shards that have ended are listed.
func (s *Source) look(ctx context.Context) (known map[record.Partition]driver.Standing, lanes []lineage.Lane, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if s.tell != nil {
		if known, err = s.tell(ctx); err != nil {
			return nil, nil, fmt.Errorf("read the ledger: %w", err)
		}
	}
	maps.DeleteFunc(known, func(p record.Partition, _ driver.Standing) bool { return p.Source != s.stream.arn })
	for p, k := range known {
		switch {
		case p.Epoch == s.stream.epoch():
		case !k.Retired && (!k.Ended || k.Holds):
			return nil, nil, &LostError{Partition: p, After: k.UpTo, Why: "the stream was deleted and made again at " + s.stream.epoch()}
		default:
			delete(known, p)
		}
	}
	if err := s.lookAgain(ctx); err != nil {
		return nil, nil, err
	}
	shards, err := s.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.setShards(shards)
	return known, lineage.Lanes(s.stream.lineageOf(shards), known), nil
}

// describeEvery spares the service, which answers 20 descriptions a second for a whole account.
const describeEvery = time.Minute

// lookAgain finds out now and then whether the stream is still the same, and how long it keeps records.
func (s *Source) lookAgain(ctx context.Context) error {
	if now := time.Now(); now.After(s.described) {
		s.described = now.Add(jitter(describeEvery))
	} else {
		return nil
	}
	d, err := s.describe(ctx)
	switch {
	case missing(err):
		return &LostError{Partition: s.stream.partition("*"), Why: "the stream was deleted"}
	case err != nil:
		return nil // it is asked again, and the list of shards tells what lasts
	case d.epoch() != s.stream.epoch():
		return &LostError{Partition: s.stream.partition("*"), Why: "the stream was deleted and made again at " + d.epoch()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeps = d.retention
	return nil
}

// looked notes whether the list is up to date.
func (s *Source) looked(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.listErr, s.listFrom = nil, time.Time{}
		return
	}
	if s.listErr == nil {
		s.listFrom = time.Now()
	}
	s.listErr = err
	if lost := (*LostError)(nil); asLost(err, &lost) {
		s.failLocked(err)
	}
	if time.Since(s.listFrom) > s.opts.GiveUp {
		s.failLocked(&StallError{What: "the list of shards", Since: s.listFrom, Err: s.conf.advise("list of shards", err)})
	}
}

// watchful reports whether one of our lanes will change when something is committed: when the end of a shard is, or the
// last record that an ended one holds, or a move. It needs s.mu.
func (s *Source) watchful(known map[record.Partition]driver.Standing) bool {
	for _, l := range s.lanes {
		if l.lease != l.assignment.Lane {
			return true
		}
		for _, p := range l.assignment.Partitions {
			if k := known[p]; k.Ended || s.shards[p.ID].closed || k.Lane != l.assignment.Lane && k.Lane != "" {
				return true
			}
		}
	}
	return false
}

func leasesOf(lanes []lineage.Lane) []string {
	names := make([]string, 0, len(lanes))
	for _, l := range lanes {
		names = append(names, l.Lease)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// takeLeases follows what the assigner says.
func (s *Source) takeLeases(ctx context.Context) {
	for {
		leases, until, err := s.assigner.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if err != nil {
			s.failLocked(fmt.Errorf("kinesis: assignment of shards: %w", err))
			s.mu.Unlock()
			return
		}
		for _, l := range s.leases {
			s.owed[l] = true // however short we had it, and whether there was a lane or not
		}
		for _, l := range leases {
			delete(s.owed, l)
		}
		s.leases, s.until = slices.Clone(leases), until
		s.wakePoll()
		s.mu.Unlock()
		s.poke()
	}
}
