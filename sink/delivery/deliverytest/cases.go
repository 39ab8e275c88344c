package deliverytest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
)

// Contract: once Load has returned, all rows of the unit are there, once, and those of no other.
func loadShowsAllRows(s *suite) {
	units := s.units("a", Rows(1, 30), 10)
	target := s.open()
	s.want()
	for i, u := range units {
		s.load(target, u)
		s.want(ids(1, int64(10*(i+1)))...)
	}
}

// Contract: rows in packs are loaded as those in files are, each once.
func packsAreLoaded(s *suite) {
	s.job = NewMergedJob(s.T, nil)
	units := s.units("a", Rows(1, 20), 10)
	target := s.open()
	for _, u := range units {
		if len(u.Packs) == 0 {
			s.Errorf("unit %s has no packs", u.ID)
		}
		s.load(target, u)
		s.again(s.open(), u)
	}
	s.want(ids(1, 20)...)
}

// Contract: a unit that is loaded is not loaded a second time, by the same process or by another.
func loadTwiceIsOnce(s *suite) {
	units := s.units("a", Rows(1, 20), 10)
	target := s.open()
	s.load(target, units[0])
	s.again(target, units[0])
	s.again(s.open(), units[0])
	s.load(s.open(), units[1])
	s.again(target, units[0])
	s.want(ids(1, 20)...)
}

// Contract: of any number of processes that load a unit at the same time one does.
func loadByManyIsOnce(s *suite) {
	units := s.units("a", Rows(1, 60), 20)
	for _, u := range units {
		won, errs := s.atOnce(6, func(target delivery.Target) error {
			_, err := target.Load(s.Context(), u)
			return err
		})
		if _, keeps := s.open().(delivery.Keeper); keeps && won != 1 {
			s.Errorf("Load(%s) by many: %d succeeded, want 1; the others say %v", u.ID, won, errs)
		}
		for _, err := range errs {
			if !errors.Is(err, delivery.ErrFenced) {
				s.Errorf("Load(%s) by many: got %v, want success or ErrFenced", u.ID, err)
			}
		}
	}
	s.want(ids(1, 60)...)
}

// atOnce calls f with n Targets at once, and returns how many calls succeeded and what the others returned.
func (s *suite) atOnce(n int, f func(delivery.Target) error) (won int, errs []error) {
	s.Helper()
	var targets []delivery.Target
	for range n {
		targets = append(targets, s.open())
	}
	start := make(chan struct{})
	results := make([]error, n)
	var wg sync.WaitGroup
	for i, target := range targets {
		wg.Go(func() {
			<-start
			results[i] = f(target)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range results {
		if err == nil {
			won++
		} else {
			errs = append(errs, err)
		}
	}
	return won, errs
}

// Contract: if ctx has ended the error says so, or the unit is loaded. Another call settles it.
func endedContextIsSettled(s *suite) {
	units := s.units("a", Rows(1, 10), 10)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	target := s.open()
	_, err := target.Load(ctx, units[0])
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Errorf("Load with a context that has ended: got %v, want its error", err)
	}
	if _, err := target.Load(s.Context(), units[0]); err != nil && !errors.Is(err, delivery.ErrFenced) {
		s.Errorf("Load after that: %v", err)
	}
	s.want(ids(1, 10)...)
}

// Contract: of a unit that is refused no row is there, also none of those before the bad one, and none comes to be there with what
// is loaded next.
func refusedLeavesNothing(s *suite) {
	rows := append(Rows(1, 10), bad(11))
	rows = append(rows, Rows(12, 20)...)
	units := s.units("a", rows, 20)
	target := s.open()
	if _, err := target.Load(s.Context(), units[0]); !errors.Is(err, delivery.ErrRefused) {
		s.Errorf("Load with a row that is refused: got %v, want ErrRefused", err)
	}
	s.want()
	next := *s.units("b", Rows(21, 30), 10)[1]
	next.After = delivery.Cursor{} // as the first one of another delivery
	s.load(target, &next)
	s.want(ids(21, 30)...)
}

// Contract: a unit that was refused is refused again, by every process, and still leaves nothing.
func refusedAgainLeavesNothing(s *suite) {
	units := s.units("a", append(Rows(1, 3), bad(4)), 4)
	for range 3 {
		if _, err := s.open().Load(s.Context(), units[0]); !errors.Is(err, delivery.ErrRefused) {
			s.Errorf("Load with a row that is refused: got %v, want ErrRefused", err)
		}
	}
	s.want()
}

// Contract: the State is zero at first, and then has the cursor of the last unit that was loaded, for every process.
func stateIsKept(s *suite) {
	units := s.units("a", Rows(1, 20), 10)
	s.wantState("a", delivery.Cursor{})
	for _, u := range units {
		s.load(s.open(), u)
		s.wantState("a", u.Cursor)
	}
}

// Contract: each delivery has a State of its own.
func statesAreApart(s *suite) {
	a := s.units("a", Rows(1, 10), 10)
	b := s.deliver("b")
	target := s.keeper()
	s.load(target, a[0])
	s.wantState("b", delivery.Cursor{})
	if err := target.Park(s.Context(), b[0], "why"); err != nil {
		s.Errorf("Park: %v", err)
	}
	s.wantState("a", a[0].Cursor)
	s.wantState("b", b[0].Cursor, b[0].ID)
	s.want(ids(1, 10)...)
}

// Contract: a unit that does not build on the cursor is not loaded: neither a later one, nor one of another ledger.
func loadIsFenced(s *suite) {
	units := s.units("a", Rows(1, 30), 10)
	target := s.open()
	foreign := *units[0]
	foreign.After = delivery.Cursor{Ledger: "another", Entry: 1}
	for _, u := range []*delivery.Unit{units[1], &foreign} {
		if _, err := target.Load(s.Context(), u); !errors.Is(err, delivery.ErrFenced) {
			s.Errorf("Load of a unit behind %q without any cursor: got %v, want ErrFenced", u.After, err)
		}
	}
	s.want()
	s.wantState("a", delivery.Cursor{})
	s.load(target, units[0])
	if _, err := target.Load(s.Context(), units[2]); !errors.Is(err, delivery.ErrFenced) {
		s.Errorf("Load of a unit behind %q at the cursor %q: got %v, want ErrFenced", units[2].After, units[0].Cursor, err)
	}
	s.want(ids(1, 10)...)
	s.wantState("a", units[0].Cursor)
}

// Contract: a unit without files moves the cursor and loads nothing.
func emptyUnitMovesTheCursor(s *suite) {
	units := s.units("a", Rows(1, 20), 10)
	empty := *units[0]
	empty.Files, empty.Packs = nil, nil
	target := s.open()
	s.load(target, &empty)
	s.wantState("a", empty.Cursor)
	s.load(target, units[1])
	s.want(ids(11, 20)...)
}

// Contract: a unit that is refused does not move the cursor.
func refusedLeavesTheCursor(s *suite) {
	units := s.units("a", append(Rows(1, 10), bad(11)), 10)
	target := s.open()
	s.load(target, units[0])
	if _, err := target.Load(s.Context(), units[1]); !errors.Is(err, delivery.ErrRefused) {
		s.Errorf("Load with a row that is refused: got %v, want ErrRefused", err)
	}
	s.wantState("a", units[0].Cursor)
	s.want(ids(1, 10)...)
}

// Contract: Park moves the cursor, loads nothing, and notes the unit with all that is needed to find it again.
func parkMovesTheCursor(s *suite) {
	units := s.units("a", Rows(1, 30), 10)
	target := s.keeper()
	s.load(target, units[0])
	if err := target.Park(s.Context(), units[1], "too long"); err != nil {
		s.Errorf("Park: %v", err)
	}
	s.wantState("a", units[1].Cursor, units[1].ID)
	if p := s.state(target, "a").Parked; len(p) == 1 && (!p[0].Cursor.Equal(units[1].Cursor) || p[0].Reason != "too long" || p[0].Attempts != 0 ||
		time.Since(p[0].At).Abs() > 24*time.Hour) {
		s.Errorf("the unit is noted as %+v, want its cursor %q, the reason, the time and no attempt", p[0], units[1].Cursor)
	}
	s.load(target, units[2])
	s.wantState("a", units[2].Cursor, units[1].ID)
	s.want(append(ids(1, 10), ids(21, 30)...)...)
}

// Contract: Park of a unit that does not build on the cursor changes nothing; it may be loaded already.
func parkIsFenced(s *suite) {
	units := s.units("a", Rows(1, 20), 10)
	target := s.keeper()
	s.load(target, units[0])
	if err := target.Park(s.Context(), units[0], "why"); !errors.Is(err, delivery.ErrFenced) {
		s.Errorf("Park of a unit that is loaded: got %v, want ErrFenced", err)
	}
	s.wantState("a", units[0].Cursor)
	s.load(target, units[1])
}

// Contract: a unit that is taken up is loaded, is parked no more, and leaves the cursor where it is. A second time changes nothing.
func takenUpIsOnce(s *suite) {
	units := s.units("a", Rows(1, 30), 10)
	target := s.keeper()
	for _, u := range units[:2] {
		if err := target.Park(s.Context(), u, "why"); err != nil {
			s.Errorf("Park: %v", err)
		}
	}
	s.load(target, units[2])
	s.load(target, takenUp(units[0], 1))
	s.wantState("a", units[2].Cursor, units[1].ID)
	for _, u := range []*delivery.Unit{takenUp(units[0], 1), takenUp(units[0], 2), takenUp(units[2], 1)} {
		if _, err := s.open().Load(s.Context(), u); !errors.Is(err, delivery.ErrFenced) {
			s.Errorf("attempt to take a unit up that is not parked: got %v, want ErrFenced", err)
		}
	}
	s.want(append(ids(1, 10), ids(21, 30)...)...)
}

// Contract: of any number of processes that take a unit up at the same time one does.
func takenUpByManyIsOnce(s *suite) {
	units := s.units("a", Rows(1, 20), 10)
	target := s.keeper()
	if err := target.Park(s.Context(), units[0], "why"); err != nil {
		s.Errorf("Park: %v", err)
	}
	s.load(target, units[1])
	won, errs := s.atOnce(6, func(target delivery.Target) error {
		_, err := target.Load(s.Context(), takenUp(units[0], 1))
		return err
	})
	if won != 1 {
		s.Errorf("%d took the unit up, want 1", won)
	}
	for _, err := range errs {
		if !errors.Is(err, delivery.ErrFenced) {
			s.Errorf("the others: got %v, want ErrFenced", err)
		}
	}
	s.wantState("a", units[1].Cursor)
	s.want(ids(1, 20)...)
}

// Contract: a unit that is refused when it is taken up stays parked, with the number of the attempt and the new reason; one that
// is not parked is fenced.
func parkedAgainKeepsTheReason(s *suite) {
	units := s.units("a", Rows(1, 20), 10)
	target := s.keeper()
	if err := target.Park(s.Context(), units[0], "first"); err != nil {
		s.Errorf("Park: %v", err)
	}
	s.load(target, units[1])
	if err := target.Park(s.Context(), takenUp(units[0], 3), "second"); err != nil {
		s.Errorf("Park again: %v", err)
	}
	s.wantState("a", units[1].Cursor, units[0].ID)
	if p := s.state(target, "a").Parked; len(p) == 1 && (p[0].Reason != "second" || p[0].Attempts != 3) {
		s.Errorf("the unit is noted as %+v, want the second reason and 3 attempts", p[0])
	}
	if err := target.Park(s.Context(), takenUp(units[1], 1), "why"); !errors.Is(err, delivery.ErrFenced) {
		s.Errorf("Park again of a unit that is not parked: got %v, want ErrFenced", err)
	}
}
