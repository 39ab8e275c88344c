package scaler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeTarget refuses with the errors of its list, one a call, and then obeys.
type fakeTarget struct {
	size    Size
	refuse  []error
	sizeErr error
	calls   int
	before  func() // called before a change takes place
}

func (f *fakeTarget) Size(context.Context) (Size, error) { return f.size, f.sizeErr }

func (f *fakeTarget) Resize(_ context.Context, c Change) error {
	f.calls++
	if f.before != nil {
		f.before()
	}
	if len(f.refuse) > 0 {
		err := f.refuse[0]
		f.refuse = f.refuse[1:]
		return err
	}
	if f.size != c.From && f.size != c.To {
		return ErrConflict
	}
	f.size = c.To
	return nil
}

// wants is a policy that wants a number of copies.
type wants struct{ copies int }

func (p *wants) Want(in Input) Want {
	return Want{Policy: "test", Size: Size{Copies: p.copies}, Why: fmt.Sprintf("wants %d", p.copies)}
}

func size(copies int) Size { return Size{Copies: copies} }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, target Target, p Policy, o Options) *Scaler {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet()
	}
	s, err := New(target, p, &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOnceChangesTheTargetAndRecordsWhy(t *testing.T) {
	var log bytes.Buffer
	target := &fakeTarget{size: Size{4, 2}}
	var seen []Decision
	s := open(t, target, &wants{8}, Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)), OnDecision: func(d Decision) { seen = append(seen, d) },
	})
	d, err := s.Once(t.Context())
	if err != nil || target.size != (Size{8, 2}) {
		t.Fatalf("size is %s (%v), want 8 copies of 2 cores: cores were left open", target.size, err)
	}
	if got, want := d.String(), "changed 4 copies of 2 cores -> 8 copies of 2 cores: wants 8"; got != want {
		t.Errorf("decision %q, want %q", got, want)
	}
	if all := s.Decisions(); len(all) != 1 || len(seen) != 1 || all[0].Why != seen[0].Why {
		t.Errorf("kept %v and called back with %v, want the decision in both", all, seen)
	}
	if line := log.String(); !strings.Contains(line, "decision.action=changed") || !strings.Contains(line, "decision.to=8") {
		t.Errorf("log line %q", line)
	}
	if d, _ = s.Once(t.Context()); d.Action != Kept || target.calls != 1 {
		t.Errorf("second step: %s after %d calls, want none", d, target.calls)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	target := &fakeTarget{size: size(4)}
	d, err := open(t, target, &wants{8}, Options{DryRun: true}).Once(t.Context())
	if err != nil || d.Action != DryRun || d.To != size(8) || target.calls != 0 {
		t.Errorf("%s, %d calls, %v; want a decision and no call", d, target.calls, err)
	}
}

func TestARefusalIsRetriedThenReportedAndTheSizeStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("quota")
		target := &fakeTarget{size: size(4), refuse: []error{no, no}}
		s := open(t, target, &wants{8}, Options{})
		if d, err := s.Once(t.Context()); err != nil || target.calls != 3 || d.Action != Changed {
			t.Errorf("%s after %d calls (%v), want the third to do it", d, target.calls, err)
		}
		target = &fakeTarget{size: size(4), refuse: slices.Repeat([]error{no}, 10)}
		begin := time.Now()
		s = open(t, target, &wants{8}, Options{})
		d, err := s.Once(t.Context())
		if !errors.Is(err, no) || d.Action != Refused || target.size != size(4) || target.calls != 4 {
			t.Errorf("%s after %d calls (%v), want a refusal after four", d, target.calls, err)
		}
		if took := time.Since(begin); took < 3500*time.Millisecond || took > 7*time.Second {
			t.Errorf("took %s, want half to all of 1+2+4 s", took)
		}
		target.refuse = nil
		if d, _ = s.Once(t.Context()); d.Action != Changed {
			t.Errorf("the next step: %s, want it to try again", d)
		}
	})
}

func TestAConflictIsNotRepeated(t *testing.T) {
	target := &fakeTarget{size: size(4)}
	target.before = func() { target.size = size(6) } // a person is faster
	p := &wants{8}
	s := open(t, target, p, Options{})
	d, err := s.Once(t.Context())
	if !errors.Is(err, ErrConflict) || d.Action != Refused || target.calls != 1 || target.size != size(6) {
		t.Fatalf("%s after %d calls (%v), size %s; want the person's size after one call", d, target.calls, err, target.size)
	}
	target.before, p.copies = nil, 6
	d, _ = s.Once(t.Context())
	if d.Outside == nil || d.Outside.From != size(4) || d.Outside.To != size(6) || !d.Outside.Outside {
		t.Errorf("outside change %+v, want 4 -> 6 to be noticed", d.Outside)
	}
}

func TestAReplyThatWasLostIsNotAChangeByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &fakeTarget{size: size(4), refuse: []error{errors.New("timeout")}}
		target.before = func() { target.size = size(8) } // it takes effect, and the reply is lost
		s := open(t, target, &wants{8}, Options{})
		if d, err := s.Once(t.Context()); err != nil || d.Action != Changed {
			t.Errorf("%s (%v), want changed", d, err)
		}
		if d, _ := s.Once(t.Context()); d.Outside != nil {
			t.Errorf("outside change %+v, want none", d.Outside)
		}
		target = &fakeTarget{size: size(4), refuse: []error{errors.New("timeout")}}
		target.before = func() { target.size = size(8) }
		s = open(t, target, &wants{8}, Options{Retries: -1})
		if d, err := s.Once(t.Context()); err == nil || d.Action != Refused {
			t.Errorf("%s (%v), want a refusal: it is not known better", d, err)
		}
		if d, _ := s.Once(t.Context()); d.Outside != nil || d.Action != Kept {
			t.Errorf("%s, outside %+v, want the change to be known as its own", d, d.Outside)
		}
	})
}

func TestAChangeByAPersonIsLeftAlone(t *testing.T) {
	for _, theirs := range []int{20, 2} {
		target := &fakeTarget{size: size(4)}
		now := time.Unix(1e9, 0)
		s := open(t, target, &wants{6}, Options{Now: func() time.Time { return now }})
		step := func() Decision {
			now = now.Add(30 * time.Second)
			d, err := s.Once(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		step()
		target.size = size(theirs)
		begin := now
		d := step()
		for ; d.Action == Kept; d = step() {
			if !strings.Contains(d.Why, "somebody else") || d.To != size(theirs) {
				t.Fatalf("%s, want it left alone", d)
			}
		}
		if after := now.Sub(begin); d.Action != Changed || after < 10*time.Minute || after > 11*time.Minute {
			t.Errorf("%s after %s, want the policy to go on after ten minutes", d, after)
		}
	}
}

func TestADryRunDoesNotTakeTheLead(t *testing.T) {
	l := &lease{}
	s := open(t, &fakeTarget{size: size(4)}, &wants{8}, Options{DryRun: true, Leader: candidate{l, "dry"}})
	if d, err := s.Once(t.Context()); err != nil || d.Action != DryRun || l.holder != "" {
		t.Errorf("%s (%v), the lead is with %q; want it with nobody", d, err, l.holder)
	}
}

func TestBoundsHoldWhateverAPolicyWants(t *testing.T) {
	for _, c := range []struct{ wants, current, want int }{{50, 4, 10}, {0, 4, 2}, {-3, 4, 2}, {7, 4, 7}, {30, 20, 10}} {
		target := &fakeTarget{size: size(c.current)}
		d, _ := open(t, target, &wants{c.wants}, Options{Min: 2, Max: 10}).Once(t.Context())
		if target.size != size(c.want) {
			t.Errorf("%d wanted at %d: %s, want %d", c.wants, c.current, d, c.want)
		}
	}
}

func TestATargetThatWasSwitchedOffStaysOff(t *testing.T) {
	target := &fakeTarget{}
	d, err := open(t, target, &wants{8}, Options{}).Once(t.Context())
	if err != nil || d.Action != Kept || target.calls != 0 {
		t.Errorf("%s (%v), want it left alone", d, err)
	}
}

func TestNothingIsDecidedWithoutThePresentSize(t *testing.T) {
	target := &fakeTarget{sizeErr: errors.New("no route")}
	d, err := open(t, target, &wants{8}, Options{}).Once(t.Context())
	if err == nil || d.Action != Failed || target.calls != 0 {
		t.Errorf("%s (%v), want a failure", d, err)
	}
}

// spy remembers the samples that a policy gets.
type spy struct{ in []Input }

func (p *spy) Want(in Input) Want {
	p.in = append(p.in, in)
	return Want{Policy: "spy", Size: in.Current, Hold: true}
}

func TestBadValuesAreIgnoredWithAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		bad := SignalFunc(func(context.Context) (Sample, error) {
			return Sample{
				Arrival: Known(math.NaN(), now), Done: Known(-1, now), Lag: Known(5, now.Add(-time.Hour)),
				Busy: Known(1.5, now), Ready: Known(math.Inf(1), now), Delay: Known(3, now.Add(time.Hour)),
			}, errors.New("half of it failed")
		})
		good := SignalFunc(func(context.Context) (Sample, error) { return Sample{Lag: Known(7, now), Done: Known(0, now)}, nil })
		p := &spy{}
		d, err := open(t, &fakeTarget{size: size(4)}, p, Options{Signals: []Signal{bad, good}}).Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := Sample{Lag: Known(7, now), Done: Known(0, now)}
		if p.in[0].Sample != want {
			t.Errorf("the policy got %+v, want %+v", p.in[0].Sample, want)
		}
		all := strings.Join(d.Ignored, "; ")
		for _, part := range []string{
			"signal 1: half of it failed", "arrival is not a number", "done is negative (-1)", "lag is 1h0m0s old",
			"busy is above 1 (1.5)", "ready is infinite", "delay is 1h0m0s in the future",
		} {
			if !strings.Contains(all, part) {
				t.Errorf("ignored %q, want %q in it", all, part)
			}
		}
	})
}

func TestASignalThatHangsDoesNotHoldUpTheStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := SignalFunc(func(ctx context.Context) (Sample, error) {
			<-ctx.Done()
			return Sample{}, ctx.Err()
		})
		target := &fakeTarget{size: size(4)}
		if _, err := open(t, target, &wants{8}, Options{Signals: []Signal{hangs}}).Once(t.Context()); err != nil || target.size != size(8) {
			t.Errorf("size %s (%v), want 8", target.size, err)
		}
	})
}

func TestRunStepsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
		defer cancel()
		target := &fakeTarget{size: size(4), sizeErr: errors.New("away")}
		s := open(t, target, &wants{8}, Options{Keep: 3})
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		all := s.Decisions()
		if len(all) != 3 || !all[2].At.After(all[0].At) || all[2].At.Sub(all[1].At) != 30*time.Second {
			t.Errorf("decisions %v, want the newest three in order, 30 s apart", all)
		}
	})
}

// lease is a Leader that several scalers share.
type lease struct {
	holder string
	until  time.Time
	lost   bool
}

type candidate struct {
	*lease
	name string
}

func (c candidate) Lead(context.Context) (time.Time, error) {
	if c.lost {
		return time.Time{}, errors.New("no connection")
	}
	if c.holder != c.name && time.Now().Before(c.until) {
		return time.Time{}, nil
	}
	c.holder, c.until = c.name, time.Now().Add(40*time.Second)
	return c.until, nil
}

func TestTwoScalersActAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target, l := &fakeTarget{size: size(4)}, &lease{}
		p := &wants{8}
		a := open(t, target, p, Options{Leader: candidate{l, "a"}})
		b := open(t, target, p, Options{Leader: candidate{l, "b"}, Respect: -1})
		first, _ := a.Once(t.Context())
		p.copies = 9
		second, err := b.Once(t.Context())
		if first.Action != Changed || second.Action != Standby || err != nil || target.size != size(8) {
			t.Errorf("%s, then %s (%v), size %s; want only the first to act", first, second, err, target.size)
		}
		<-time.After(time.Minute) // the bubble's clock: the first one is gone
		if d, _ := b.Once(t.Context()); d.Action != Changed {
			t.Errorf("%s, want the second to take over", d)
		}
		l.lost = true
		p.copies = 10
		if d, err := b.Once(t.Context()); d.Action != Standby || err == nil || target.size != size(9) {
			t.Errorf("%s (%v), want no change without a lead", d, err)
		}
	})
}

func TestAStepEndsWithTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &fakeTarget{size: size(4), refuse: slices.Repeat([]error{errors.New("busy")}, 100)}
		l := &lease{}
		s := open(t, target, &wants{8}, Options{Leader: candidate{l, "a"}, Retries: 20})
		begin := time.Now()
		_, err := s.Once(t.Context())
		if took := time.Since(begin); !errors.Is(err, errLeadEnded) || took > 40*time.Second {
			t.Errorf("ended after %s with %v, want the end of the lead after 40 s at most", took, err)
		}
	})
}

func TestNewListsAllFaultsAtOnce(t *testing.T) {
	_, err := New(nil, nil, &Options{Min: 5, Max: -2, Every: -1, Signals: []Signal{nil}})
	wantAll(t, err, "Max -2 copies have no capacity", "Min 5 is above Max -2", "Every -1ns", "signal 1 is nil", "target is nil", "policy is nil")
	if _, err = New(&fakeTarget{}, &wants{}, &Options{Min: -1}); err == nil {
		t.Error("a minimum without capacity was taken")
	}
}

// badMemory gives what is in it.
type badMemory struct {
	b   []byte
	err error
}

func (m *badMemory) Load(context.Context) ([]byte, error) { return m.b, m.err }
func (m *badMemory) Save(_ context.Context, b []byte) error {
	m.b = bytes.Clone(b)
	return nil
}

func TestNothingIsDecidedWhileTheMemoryIsAway(t *testing.T) {
	m := &badMemory{err: errors.New("away")}
	target := &fakeTarget{size: size(4)}
	s := open(t, target, &wants{8}, Options{Memory: m})
	if d, err := s.Once(t.Context()); err == nil || d.Action != Failed || target.calls > 0 {
		t.Errorf("%s (%v), want no decision without the memory", d, err)
	}
	m.err = fs.ErrNotExist
	if d, err := s.Once(t.Context()); err != nil || d.Action != Changed {
		t.Errorf("%s (%v), want a change once the memory answers", d, err)
	}
}

func TestADecisionIsReadableAsJSON(t *testing.T) {
	d := Decision{At: time.Unix(0, 0).UTC(), Action: Kept, From: size(4), To: size(4), Sample: Sample{Lag: Known(5, time.Unix(0, 0).UTC()), Busy: Known(math.NaN(), time.Unix(1, 0))}}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Decision
	if err := json.Unmarshal(b, &back); err != nil || back.Sample.Lag != d.Sample.Lag || back.Sample.Busy.Known() || back.Sample.Arrival.Known() {
		t.Errorf("got %+v (%v) from %s", back.Sample, err, b)
	}
}

func TestCountersGiveRatesAndAResetGivesNone(t *testing.T) {
	begin := time.Unix(1e9, 0)
	readings := []Counters{}
	for i, done := range []float64{100, 400, 50, 350} {
		at := begin.Add(time.Duration(i) * 10 * time.Second)
		readings = append(readings, Counters{At: at, Done: Known(done, at), Busy: Known(float64(i)*20, at), Ready: Known(4, at), Lag: Known(9, at)})
	}
	i := -1
	s := FromCounters(func(context.Context) (Counters, error) { i++; return readings[i], nil })
	for k, want := range []float64{-1, 30, -1, 30} {
		got, err := s.Read(t.Context())
		if err != nil || got.Done.Known() != (want >= 0) || want >= 0 && got.Done.Number != want || got.Lag.Number != 9 {
			t.Errorf("reading %d: %+v (%v), want a rate of %g (-1 is unknown) and the lag", k, got, err, want)
		}
		if k > 0 && got.Busy.Number != 0.5 {
			t.Errorf("reading %d: busy %g, want 2 of 4 copies", k, got.Busy.Number)
		}
	}
}

func wantAll(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error does not say %q:\n%v", p, err)
		}
	}
}
