package workerstest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/workers"
	"github.com/onceflow/onceflow/stream/workers/workerstest"
)

type answering struct{ r workers.Reply[int] }

func (a *answering) Process(_ context.Context, e record.Event[int], r workers.Reply[int]) {
	if a.r = r; e.Value > 0 {
		r.Done(e.Value, e.Value+1)
	}
}

func TestCallKeepsTheFirstAnswerAndCountsAll(t *testing.T) {
	task := &answering{}
	if out, err, times := workerstest.Call(t.Context(), task, time.Time{}, 5).Get(); !slices.Equal(out, []int{5, 6}) || err != nil || times != 1 {
		t.Errorf("got %v, %v, %d answers", out, err, times)
	}
	a := workerstest.Call(t.Context(), task, time.Time{}, 0)
	if _, _, times := a.Get(); times != 0 {
		t.Errorf("%d answers before there is one", times)
	}
	task.r.Fail(errors.New("later"))
	task.r.Done(1)
	if out, err, times := a.Get(); out != nil || err == nil || times != 2 {
		t.Errorf("got %v, %v, %d answers, want the error and 2", out, err, times)
	}
}

func TestTimersRingInTheOrderOfTheirTimes(t *testing.T) {
	s := workerstest.NewScheduler(1)
	var got []string
	note := func(what string) func() { return func() { got = append(got, what+" "+s.Now().String()) } }
	s.After(2*time.Second, note("b"))
	s.After(time.Second, func() { note("a")(); s.Go(note("work")) })
	stop := s.After(time.Second, note("never"))
	if !stop() || stop() {
		t.Error("stop must say once that it has prevented the call")
	}
	s.Advance(time.Second)
	s.Advance(time.Second)
	if want := []string{"a 1h0m1s", "work 1h0m1s", "b 1h0m2s"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Without it a test would see one order only, whatever it draws.
func TestSeedsGiveDifferentOrders(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(20) {
		s, order := workerstest.NewScheduler(seed), ""
		for _, x := range []string{"a", "b", "c"} {
			s.Go(func() { order += x })
		}
		s.Run()
		orders[order] = true
	}
	if len(orders) < 4 {
		t.Errorf("20 seeds gave %d orders of 6", len(orders))
	}
}
