package lane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// stages has a lane's stages without their types: what each can do, and which event time each was told.
type stages struct {
	lane    stage.Lane
	traits  []stage.Traits
	flight  *flight
	procs   []processor // by stage
	keepers []func() int64
	fullers []func() bool
	claimer int // last stage that must not have a holder before it; -1 is none
	warmer  int // last stage that is warmed up; -1 is none

	advanced []time.Time     // by stage
	fed      []bool          // by stage: it may have got events since it was last told the time
	times    []*pendingTimes // by stage; nil where no later stage wants event time
}

// processor is the untyped side of a stage's processor in a lane. A nil func means that the processor has no such method.
type processor struct {
	advance   func(ctx context.Context, eventTime time.Time) error
	pull      func(ctx context.Context) error
	warmup    func() time.Duration
	committed func(ctx context.Context, c record.Clocks) error
	close     func() error
}

func newStages(lane stage.Lane, traits []stage.Traits, f *flight) stages {
	n := len(traits)
	s := stages{
		lane: lane, traits: traits, flight: f, claimer: -1, warmer: -1,
		procs: make([]processor, n), advanced: make([]time.Time, n), fed: make([]bool, n), times: make([]*pendingTimes, n),
	}
	for i := range traits {
		if traits[i].ClaimsFirst {
			s.claimer = i
		}
	}
	return s
}

// failed wraps what went wrong in a stage, unless it is nil.
func (s *stages) failed(st int, err error) error {
	if err == nil {
		return nil
	}
	e := &stage.Error{Stage: s.traits[st].Name, Lane: s.lane.Name, Err: err}
	if r := s.flight.records; len(r) > 0 {
		e.Partition, e.First = r[0].Partition, r[0].Position
		e.At = s.flight.source.Print(*e.Partition, e.First)
	}
	return e
}

// apply carries out what a stage said of origins. It reports whether the stage rejected some.
func (s *stages) apply(st int, ends []stage.Outcome) (rejected bool, err error) {
	f := s.flight
	for i := range ends {
		e := &ends[i]
		slot := f.slots.get(e.Origin)
		if slot == nil {
			return false, errOrigin
		}
		switch e.Kind {
		case stage.Pending:
			if st < s.claimer {
				return false, fmt.Errorf("it holds a record in front of %s, which decides who is first", s.traits[s.claimer].Name)
			}
			f.slots.slots[f.slots.root(slotOf(e.Origin))].holds++
			if s.times[st] != nil {
				s.times[st].add(slot.eventTime)
			}
		case stage.Released:
			if !f.release(slotOf(e.Origin)) {
				return false, errors.New("it released a record that it did not hold")
			}
			if s.times[st] != nil {
				s.times[st].remove(slot.eventTime)
			}
		case stage.MergedInto:
			if f.slots.get(e.Into) == nil {
				return false, errOrigin
			}
			f.merge(slotOf(e.Into), slotOf(e.Origin))
		case stage.Dropped:
			f.drop(slot, e)
		case stage.Rejected:
			f.reject(slotOf(e.Origin), driver.DeadLetter{Stage: s.traits[st].Name, Err: e.Err})
			rejected = true
		}
	}
	return rejected, nil
}

// advance tells event time to the stages that have not heard it, and again to those that may have got an event since: it
// may lie so far back that nothing more can come for it. If an earlier stage holds a record, a later stage is told at most
// the event time at which that record was read, since to the later stage it is still to come.
func (s *stages) advance(ctx context.Context, eventTime time.Time) error {
	for i := range s.procs {
		if i > 0 && s.times[i-1] != nil {
			if t, some := s.times[i-1].oldest(); some && time.Unix(t, 0).Before(eventTime) {
				eventTime = time.Unix(t, 0).UTC()
			}
		}
		f := s.procs[i].advance
		if f == nil || !eventTime.After(s.advanced[i]) && !s.fed[i] {
			continue
		}
		s.advanced[i], s.fed[i] = when.Later(s.advanced[i], eventTime), false
		if err := f(ctx, s.advanced[i]); err != nil {
			return err
		}
	}
	return nil
}

// watchHolds makes the stages that may hold report to a later stage that wants event time, if there is one.
func (s *stages) watchHolds() {
	last := -1
	for i := range s.procs {
		if s.procs[i].advance != nil {
			last = i
		}
	}
	for i := range last {
		s.times[i] = &pendingTimes{n: map[int64]int32{}}
	}
}

// pull lets the stages take in what other goroutines made.
func (s *stages) pull(ctx context.Context) error {
	for i := range s.procs {
		if f := s.procs[i].pull; f != nil {
			if err := f(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// pulls reports whether a stage takes in results of other goroutines.
func (s *stages) pulls() bool {
	return slices.ContainsFunc(s.procs, func(p processor) bool { return p.pull != nil })
}

// warmup is how much event time the stages want to see again.
func (s *stages) warmup() (w time.Duration) {
	for i := range s.procs {
		if f := s.procs[i].warmup; f != nil {
			w = max(w, f())
		}
	}
	return w
}

// checkWarmers refuses a stage with a warm-up after one that holds, since that one would hold warm-up records for ever.
func (s *stages) checkWarmers() error {
	for i := range s.procs {
		if s.procs[i].warmup != nil {
			s.warmer = i
		}
	}
	if s.warmup() <= 0 {
		return nil
	}
	for i := range s.warmer {
		if s.traits[i].Holds && s.procs[i].warmup == nil {
			return s.failed(s.warmer, fmt.Errorf("it wants a warm-up, but %s before it holds records", s.traits[i].Name))
		}
	}
	return nil
}

// committed tells the stages the committed clocks.
func (s *stages) committed(ctx context.Context, k record.Clocks) error {
	for i := range s.procs {
		if f := s.procs[i].committed; f != nil {
			if err := f(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// kept is how many bytes of finished records the stages keep.
func (s *stages) kept() (n int64) {
	for _, f := range s.keepers {
		n += f()
	}
	return n
}

// full reports whether a stage wants no more records for now.
func (s *stages) full() bool {
	full := false
	for _, f := range s.fullers {
		full = f() || full
	}
	return full
}

// close closes the processors, the last stage first.
func (s *stages) close() error {
	var errs []error
	for _, p := range slices.Backward(s.procs) {
		if p.close != nil {
			errs = append(errs, p.close())
		}
	}
	return errors.Join(errs...)
}
