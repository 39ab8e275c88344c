package stream_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// An hour that did not close for a jump of the clock could not be told from one that waits for records.
func TestStatusAndLogTellOfAJumpThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(2), newLedger(t)
		log.OpenTransaction(0, 0, true)
		log.OpenTransaction(0, 1, true)
		j := startJob(t, log.Source(nil), ledger.Output(), often)
		for range 16 {
			log.Append(0, 0, t0, "06:00 a")
			log.Append(0, 1, t0, "06:00 a")
		}
		elapse(3 * every)
		if s := j.now(); s.Jumps != 0 || s.Jump != (stream.WaitingJump{}) || strings.Contains(j.logged(), "confirmed") {
			t.Errorf("%d clocks wait, %v; the log\n%s", s.Jumps, s.Jump, j.logged())
		}
		log.Append(0, 0, t0, "06:40 b")
		log.Append(0, 1, t0, "06:30 b", "06:50 b")
		elapse(3 * every)
		want := stream.WaitingJump{Partition: log.Partition(0, 1), MaxEventTime: t0,
			Jump: driver.Jump{To: t0.Add(30 * time.Minute), Newest: t0.Add(50 * time.Minute), Records: 2}}
		if s := j.now(); s.Jumps != 2 || s.Jump != want {
			t.Errorf("%d clocks wait, %v; want 2, %v", s.Jumps, s.Jump, want)
		}
		const begins, ends = "far ahead of their partition's wait to be confirmed", "is confirmed or forgotten"
		if got := j.logged(); strings.Count(got, begins) != 1 || strings.Contains(got, ends) {
			t.Errorf("want one line, the log\n%s", got)
		}
		log.Append(0, 0, t0, "06:01 c")
		log.Append(0, 1, t0, "06:01 c", "06:01 c")
		elapse(3 * every)
		if s := j.now(); s.Jumps != 0 {
			t.Errorf("%d clocks wait, want none", s.Jumps)
		}
		if got := j.logged(); strings.Count(got, begins) != 1 || strings.Count(got, ends) != 1 {
			t.Errorf("want a line of the beginning and one of the end, the log\n%s", got)
		}
		j.mustStop()
	})
}

// Pending records come again at each restart. They would confirm a jump by themselves, if it takes long enough.
func TestPendingRecordsConfirmAJumpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.OpenTransaction(0, 0, true)
		for range 8 {
			log.Append(0, 0, t0, "06:00 x1", "06:00 x2")
		}
		log.Append(0, 0, t0, "06:40 a1", "06:41 b1", "06:42 c1", "06:43 d1", "06:44 e1")
		for range 5 {
			j := startJob(t, log.Source(nil), ledger.Output(), often, pairing{forever})
			elapse(2 * every)
			log.Append(0, 0, t0, "06:00 x1", "06:45 x1") // one for, one against
			elapse(2 * every)
			j.mustStop()
		}
		g := ledger.Progress(log.Partition(0, 0))
		if want := (driver.Jump{To: t0.Add(40 * time.Minute), Newest: t0.Add(45 * time.Minute), Records: 5}); g.Jump != want || !g.MaxEventTime.Equal(t0) {
			t.Errorf("the clock is at %v, and %v waits; want %v and %v", g.MaxEventTime, g.Jump, t0, want)
		}
	})
}

// A lane without event time has no time to count back from. A source that then gave nothing for a warm-up made it forget IDs.
func TestAWarmUpComesBeforeAnyTimeIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.OpenTransaction(0, 0, true)
		log.Append(0, 0, t0, "06:05 a", "06:04 b", "06:06 c")
		j := startJob(t, log.Source(nil), ledger.Output(), often)
		elapse(2 * every)
		j.mustStop()
		src := &starts{Source: log.Source(nil)}
		ctx, cancel := context.WithTimeout(t.Context(), 2*every)
		defer cancel()
		if err := stream.Run(ctx, texts(src), ledger.Output(), &often); err != nil {
			t.Fatal(err)
		}
		if g := src.last.From[log.Partition(0, 0)]; g.UpTo.Sub != 3 || !src.last.WarmFrom.IsZero() {
			t.Errorf("the source is to begin behind %v with a warm-up from %v, want 3 and all that there is", g.UpTo, src.last.WarmFrom)
		}
	})
}

// starts is a source that remembers how a lane was begun.
type starts struct {
	*streamtest.Source
	last driver.Start
}

func (s *starts) Start(ctx context.Context, st driver.Start) error {
	s.last = st
	return s.Source.Start(ctx, st)
}
