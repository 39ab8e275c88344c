package kafka

import (
	"slices"
	"strconv"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// session is one generation of the group in which we are a member. Its fields are guarded by Source.mu.
type session struct {
	generation int32
	member     string
	lanes      []*lane
	told       bool // Poll has returned the assignment
	ended      bool
	deadline   time.Time
	released   chan struct{} // closed once the engine has let go of the lanes
}

// laneName names lane n, or with separate lanes that of one partition. It stays the same when topics are added.
func laneName(topic string, n int32, separate bool) string {
	if separate {
		return topic + "/" + strconv.Itoa(int(n))
	}
	return strconv.Itoa(int(n))
}

// lanes makes the lanes of the claims of a session. Claims that make no whole lane, since another process reads other
// topics, are left out: the next rebalance settles them.
func (s *Source) lanes(v *view, claims map[string][]int32) (out []*lane, incomplete []string) {
	byName := map[string]*lane{}
	names := v.names()
	for _, name := range names {
		t := v.topics[name]
		for _, n := range claims[name] {
			if int(n) >= len(t.parts) {
				continue // of a topic that was here before
			}
			key := laneName(name, n, s.opts.Separate)
			l := byName[key]
			if l == nil {
				l = &lane{name: key}
				byName[key] = l
				out = append(out, l)
			}
			l.parts = append(l.parts, newPart(l, v, t, n, s.opts))
		}
	}
	if s.opts.Separate {
		return out, nil
	}
	return slices.DeleteFunc(out, func(l *lane) bool {
		if len(l.parts) == len(names) {
			return false
		}
		incomplete = append(incomplete, l.name)
		return true
	}), incomplete
}

// begin makes x the session that Poll tells of.
func (s *Source) begin(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session, s.memberErr = x, nil
	s.signal()
}

// end stops everything that is read in the session. The lanes may still commit until the deadline.
func (s *Source) end(x *session, deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.ended, x.deadline = true, deadline
	for _, l := range x.lanes {
		l.gone = true
		s.discard(l)
	}
	s.memberSince = time.Now()
	if !x.told {
		close(x.released) // nobody knows of it
		s.session = nil
	}
	s.signal()
}

// tell returns what Poll has to say of the session, or nil.
func (s *Source) tell() *driver.Batch {
	x := s.session
	switch {
	case x == nil:
		return nil
	case x.ended:
		b := &driver.Batch{Deadline: x.deadline}
		for _, l := range x.lanes {
			b.Revoked = append(b.Revoked, l.name)
		}
		s.session, s.leaving, s.parts = nil, x, nil
		clear(s.byLane)
		if len(b.Revoked) == 0 {
			s.letGo()
			return nil
		}
		return b
	case !x.told:
		x.told = true
		b := &driver.Batch{}
		for _, l := range x.lanes {
			a := driver.Assignment{Lane: l.name}
			for _, p := range l.parts {
				a.Partitions = append(a.Partitions, *p.name)
			}
			b.Assigned = append(b.Assigned, a)
			s.byLane[l.name] = l
			s.parts = append(s.parts, l.parts...)
		}
		if len(b.Assigned) == 0 {
			return nil
		}
		return b
	}
	return nil
}

// letGo tells the group that the engine has let go of the lanes that were revoked.
func (s *Source) letGo() {
	if s.leaving != nil {
		close(s.leaving.released)
		s.leaving = nil
	}
}
