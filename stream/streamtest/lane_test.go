package streamtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// pairs joins each odd number with the even one that follows it: the smallest stage with state.
type pairs struct{}

func (pairs) Open(*stage.Lane) (stage.Processor[int, int], error) { return &pairing{}, nil }
func (pairs) Traits() stage.Traits                                { return stage.Traits{Holds: true} }

type pairing struct{ odd []record.Event[int] }

func (p *pairing) Process(_ context.Context, in []record.Event[int], out *stage.Emitter[int]) error {
	for _, e := range in {
		i := slices.IndexFunc(p.odd, func(o record.Event[int]) bool { return o.Value == e.Value-1 })
		switch {
		case e.Value%2 == 1:
			out.Hold(e.Origin)
			p.odd = append(p.odd, e)
		case i < 0:
			out.Drop(e.Origin, record.Filtered, "lonely")
		default:
			odd := p.odd[i]
			p.odd = slices.Delete(p.odd, i, i+1)
			out.Merge(odd.Origin, e.Origin)
			out.Release(odd.Origin)
			out.Emit(record.Derive(&odd, odd.Value*100+e.Value))
		}
	}
	return nil
}

func (p *pairing) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[int]) error {
	p.odd = slices.DeleteFunc(p.odd, func(e record.Event[int]) bool {
		if e.Time.Add(time.Minute).After(eventTime) {
			return false
		}
		out.Release(e.Origin)
		out.Emit(e)
		return true
	})
	return nil
}

func TestPendingRecordsComeBackAfterACrash(t *testing.T) {
	l := streamtest.Open(t, pairs{})
	l.Feed(t0, 1)
	l.Feed(t0, 3)
	l.Crash()
	if got := l.Feed(t0, 2); !slices.Equal(got, []int{102}) {
		t.Errorf("after the crash: got %v, want [102]", got)
	}
	if got := l.Advance(t0.Add(time.Hour)); !slices.Equal(got, []int{3}) {
		t.Errorf("at the deadline: got %v, want [3]", got)
	}
	want := record.Counts{record.Written: 2, record.Merged: 1}
	if got := l.Fates(); got != want || l.Pending() != 0 {
		t.Errorf("fates %v and %d pending, want %v and none", got, l.Pending(), want)
	}
}

func TestFenceTakesBackWhatCameAfterTheCommit(t *testing.T) {
	l := streamtest.Open(t, pairs{})
	l.Feed(t0, 1)
	l.Commit()
	l.Feed(t0, 2)
	l.Feed(t0, 4)
	before := slices.Clone(l.Out)
	l.Fence()
	if !slices.Equal(l.Out, before) || !slices.Equal(l.Out, []int{102}) {
		t.Errorf("got %v before and %v after the fence, want [102] both times", before, l.Out)
	}
	if got := l.Reasons()["lonely"]; got != 1 {
		t.Errorf("%d dropped as lonely, want 1", got)
	}
}

func TestDecodeRejectsMissingEventTime(t *testing.T) {
	l := streamtest.Open(t, stream.Decode(func(r *record.Record) (string, error) { return string(r.Value), nil },
		func(s *string) time.Time {
			at, _ := time.Parse(time.DateOnly, *s)
			return at
		}))
	for _, v := range []string{"2025-05-01", "none", "1970-01-01"} {
		l.Feed(time.Time{}, record.Record{Value: []byte(v)})
	}
	want := record.Counts{record.Written: 1, record.Dead: 2}
	if got := l.Fates(); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
	for _, err := range l.Rejected() {
		if !errors.Is(err, stage.ErrEventTime) {
			t.Errorf("rejected with %v, want ErrEventTime", err)
		}
	}
}

// late is a stage that lets an event go once event time is a minute beyond it, and notes the time at which it did.
type late struct{ said *[]string }

func (late) Traits() stage.Traits { return stage.Traits{Holds: true} }

func (s late) Open(*stage.Lane) (stage.Processor[int, int], error) { return &lating{late: s}, nil }

type lating struct {
	late
	pending []record.Event[int]
}

func (p *lating) Process(_ context.Context, in []record.Event[int], out *stage.Emitter[int]) error {
	for _, e := range in {
		out.Hold(e.Origin)
		p.pending = append(p.pending, e)
	}
	return nil
}

func (p *lating) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[int]) error {
	p.pending = slices.DeleteFunc(p.pending, func(e record.Event[int]) bool {
		if !e.Time.Add(time.Minute).Before(eventTime) {
			return false
		}
		*p.said = append(*p.said, fmt.Sprint(e.Value, " at ", eventTime.Format(time.TimeOnly)))
		out.Release(e.Origin)
		out.Emit(e)
		return true
	})
	return nil
}

// The lane let an event go that came behind the clock, the engine kept it: a stage that was right here stuck there.
func TestLaneTellsTheTimeWhereTheEngineDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 11))
	var minutes []int
	for i := range 80 {
		minutes = append(minutes, max(0, (i-20)/4-r.IntN(6))) // the first ones confirm the time
	}
	minutes = append(minutes, 20) // the last one brings the end with it
	var inLane, inJob []string
	l := streamtest.Open(t, stage.Stage[int, int](late{&inLane}))
	newest := t0
	for i, m := range minutes {
		at := t0.Add(time.Duration(m) * time.Minute)
		l.Feed(at, i)
		if (at.After(newest) || i == 0) && i < len(minutes)-1 {
			newest = at
			l.Advance(newest)
		}
	}
	l.Advance(record.EndOfTime)
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[int](t)
		ledger.Lateness, ledger.Now = -1, func() time.Time { return t0.Add(time.Hour) }
		for i, m := range minutes {
			log.Append(0, 0, t0.Add(time.Duration(m)*time.Minute), fmt.Sprint(i))
		}
		log.EndAll()
		p := stream.Via(stream.From(log.Source(&streamtest.SourceOptions{Batch: 1})),
			stream.Decode(func(r *record.Record) (int, error) { return strconv.Atoi(string(r.Value)) }, nil))
		p = stream.Via(p, stage.Stage[int, int](late{&inJob}))
		if err := stream.Run(t.Context(), p, ledger.Output(), nil); err != nil {
			t.Fatal(err)
		}
	})
	if !slices.Equal(inLane, inJob) {
		t.Errorf("the lane and the engine differ:\n lane %v\n job  %v", inLane, inJob)
	}
}
