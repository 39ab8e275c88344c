package join_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// scan is the second reference: the rule for pairs that form at once, without any index, chain or timer.
type scan struct {
	o         *join.Options
	wait      []fed
	rows      []string
	unmatched int
}

func (s *scan) feed(e fed) {
	best := -1
	for i, w := range s.wait {
		if w.Key != e.Key || w.Left == e.Left {
			continue
		}
		l, r := w, e
		if e.Left {
			l, r = e, w
		}
		gap := r.At.Sub(l.At)
		if gap > s.o.Window || -gap > s.o.Early {
			continue
		}
		if best < 0 || s.better(e, w, s.wait[best]) {
			best = i
		}
	}
	if best < 0 {
		s.wait = append(s.wait, e)
		return
	}
	l, r := s.wait[best], e
	if e.Left {
		l, r = e, s.wait[best]
	}
	s.wait = slices.Delete(s.wait, best, best+1)
	s.rows = append(s.rows, fmt.Sprintf("%d+%d", l.ID, r.ID))
}

// better reports whether a is a better partner of e than b: in the right direction first, then the nearer one. Events
// are fed in the order of their IDs, so of two with one time the one with the smaller ID is first.
func (s *scan) better(e, a, b fed) bool {
	right := func(w fed) bool { return e.Left && !w.At.Before(e.At) || !e.Left && !w.At.After(e.At) }
	if right(a) != right(b) {
		return right(a)
	}
	before := a.At.Before(b.At) || a.At.Equal(b.At) && a.ID < b.ID
	if e.Left == right(a) { // candidates lie after e: the earliest
		return before
	}
	return !before
}

func (s *scan) advance(seen time.Time) {
	s.wait = slices.DeleteFunc(s.wait, func(w fed) bool {
		limit := s.o.Early
		if w.Left {
			limit = s.o.Window
		}
		if !w.At.Add(limit + s.o.Grace).Before(seen) {
			return false
		}
		if w.Left {
			s.rows = append(s.rows, fmt.Sprintf("%d+0", w.ID))
		} else {
			s.unmatched++
		}
		return true
	})
}

func TestPairsFollowTheRuleInWildDisorderAndOverCrashes(t *testing.T) {
	for seed := range inputs() / 2 {
		r := rand.New(rand.NewPCG(seed, 8))
		o := options(r)
		l := streamtest.Open(t, join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, false)))
		ref := &scan{o: o}
		seen := time.Date(2025, 5, 1, 6, 59, 0, 0, time.UTC)
		advanced := false
		var in []fed
		for i := range 1 + r.IntN(20) {
			e := fed{event: event{ID: i + 1, Key: fmt.Sprint(r.IntN(2)), Left: r.IntN(2) == 0}}
			e.At = seen.Add(time.Duration(r.IntN(120)-60) * time.Second)
			in = append(in, e)
			l.Feed(e.At, e.event)
			ref.feed(e)
			if advanced { // the clock is told again behind each batch
				ref.advance(seen)
			}
			if r.IntN(3) == 0 {
				seen = seen.Add(time.Duration(r.IntN(20)) * time.Second)
				l.Advance(seen)
				ref.advance(seen)
				advanced = true
			}
			if r.IntN(4) == 0 {
				l.CrashShuffled(r.Uint64())
				if advanced { // the clock comes again after the pending events
					ref.advance(seen)
				}
			}
		}
		end := seen.Add(time.Hour)
		l.Advance(end)
		ref.advance(end)
		slices.Sort(ref.rows)
		if got := rows(l); !slices.Equal(got, ref.rows) || l.Reasons()["unmatched"] != ref.unmatched {
			t.Fatalf("seed %d, %+v:\n in  %v\n got  %v, %d unmatched\n want %v, %d",
				seed, *o, in, got, l.Reasons()["unmatched"], ref.rows, ref.unmatched)
		}
		l.Close()
	}
}
