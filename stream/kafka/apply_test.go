package kafka

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
	"github.com/onceflow/onceflow/stream/record"
)

// following is a source with one partition, read up to offset 50 of which 40 were consumed before.
func newFollowing() (*Source, *part, *loop) {
	o := &Options{Buffer: 1 << 20, Logger: slog.New(slog.DiscardHandler)}
	s := &Source{opts: o, byLane: map[string]*lane{}, loops: map[int32]*loop{}, kick: make(chan struct{}, 1), ready: make(chan struct{}, 1)}
	l := &lane{name: "0", started: true, phase: following}
	p := &part{
		lane: l, topic: "t", name: &record.Partition{Source: "c/t", ID: "0"}, broker: 1, epoch: 3, replica: -1, size: 100, want: 100,
		plan: newPlan(driver.Progress{UpTo: at(39)}, 0, 0),
	}
	p.plan.enter(following)
	p.plan.next, p.plan.consumed, p.plan.lastEpoch = 50, 45, 3 // offsets 45 to 49 were markers
	l.parts, s.parts = []*part{p}, []*part{p}
	s.loops[1] = &loop{src: s, id: 1, wake: make(chan struct{}, 1)}
	return s, p, s.loops[1]
}

// answer plays a round with one answer.
func answer(s *Source, l *loop, r wire.Part) *round {
	q := &round{}
	if !s.take(l, q) {
		return nil
	}
	q.resp.Parts = []wire.Part{r}
	s.apply(l, q, true)
	return q
}

func ok(r wire.Part) wire.Part {
	if r.Preferred == 0 {
		r.Preferred = -1
	}
	return r
}

func TestALogThatWasTruncatedBelowWhatWasConsumedIsLost(t *testing.T) {
	for end, lost := range map[int64]bool{10: true, 44: true, 45: false, 48: false} {
		s, p, l := newFollowing()
		answer(s, l, ok(wire.Part{Diverged: true, DivergedEnd: end, HighWatermark: 60, LastStable: 60}))
		var e *LostError
		if got := errors.As(s.fatal, &e); got != lost {
			t.Errorf("truncated at %d: got %v", end, s.fatal)
		}
		if lost && (e.From != end || !errors.Is(s.fatal, driver.ErrLost)) {
			t.Errorf("truncated at %d: %v", end, s.fatal)
		}
		if !lost && (p.plan.next != end || p.plan.lastEpoch != -1) {
			t.Errorf("truncated at %d, which lost nothing: it goes on at %d", end, p.plan.next)
		}
	}
}

func TestAnswersOfAnOldRouteOrPlanAreWorthless(t *testing.T) {
	for name, change := range map[string]func(*Source, *part){
		"another route": func(_ *Source, p *part) { p.reroute(2) },
		"another plan":  func(_ *Source, p *part) { p.plan = newPlan(driver.Progress{}, 0, 0) },
		"revoked":       func(_ *Source, p *part) { p.lane.gone = true },
	} {
		s, p, l := newFollowing()
		q := &round{}
		if !s.take(l, q) || s.reserved != 100 || !p.asked {
			t.Fatal("nothing was asked")
		}
		change(s, p)
		before := p.plan.next
		q.resp.Parts = []wire.Part{{Err: int16(sarama.ErrOffsetOutOfRange), HighWatermark: -1, LastStable: -1, Preferred: -1}}
		s.apply(l, q, true)
		if p.plan.next != before || p.look || s.reserved != 0 || s.fatal != nil {
			t.Errorf("%s: the answer counted, or %d bytes are still reserved", name, s.reserved)
		}
	}
}

func TestNothingIsAskedTwiceNorWithoutRoom(t *testing.T) {
	s, p, l := newFollowing()
	q := &round{}
	if !s.take(l, q) {
		t.Fatal("nothing was asked")
	}
	if s.take(l, &round{}) {
		t.Error("it was asked twice")
	}
	s.abandon(q)
	if s.reserved != 0 || p.asked {
		t.Errorf("%d bytes are still reserved", s.reserved)
	}
	s.used = s.opts.Buffer
	if s.take(l, q) {
		t.Error("it was asked without room")
	}
	s.used, p.out = 0, ahead
	if s.take(l, q) {
		t.Error("it was asked though enough waits")
	}
	p.out, p.lane.paused = 0, true
	if s.take(l, q) {
		t.Error("it was asked though the lane is paused")
	}
}

func TestALeaderThatNamesANearerReplicaIsLeft(t *testing.T) {
	s, p, l := newFollowing()
	answer(s, l, wire.Part{Preferred: 2, HighWatermark: 60, LastStable: 60})
	if p.replica != 2 || p.broker != -1 {
		t.Errorf("replica %d, broker %d", p.replica, p.broker)
	}
}

func TestABatchThatIsLargerThanAskedForIsAskedForWhole(t *testing.T) {
	s, p, l := newFollowing()
	head := make([]byte, 40)
	head[10], head[16] = 200, 2 // 12 + 51,200 bytes, message format 2
	answer(s, l, ok(wire.Part{HighWatermark: 60, LastStable: 60, Data: head}))
	if p.want != 51212 || p.plan.next != 50 {
		t.Errorf("asks for %d bytes at %d", p.want, p.plan.next)
	}
}

func TestTheLogsEndsDecideWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last int64
		next        int64 // -1: lost
	}{
		{"still there", 30, 60, 50}, {"at its start", 50, 60, 50}, {"retention", 51, 60, -1}, {"truncated", 0, 44, -1},
		{"truncated, but markers only", 0, 45, 45}, {"at its end", 0, 50, 50},
	} {
		s, p, _ := newFollowing()
		p.look = true
		for range 5 {
			s.found(p, c.first, c.last, 0)
		}
		if lost := errors.Is(s.fatal, driver.ErrLost); lost != (c.next < 0) || !lost && (p.plan.next != c.next || p.look) {
			t.Errorf("%s: error %v, goes on at %d", c.name, s.fatal, p.plan.next)
		}
	}
}

// A transaction that its producer has left open hides all records behind it. Brokers end it after at most 15 minutes unless
// they are told otherwise; one that lasts longer is told, again and again, and nothing is given up or skipped for it.
func TestATransactionThatHangsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, l := newFollowing()
		s.session, s.opts.Stall, s.opts.GiveUp = &session{}, time.Minute, 5*time.Minute
		open := ok(wire.Part{HighWatermark: 60, LastStable: 50})
		begin := time.Now()
		for time.Since(begin) < 2*hanging {
			if answer(s, l, open) == nil {
				t.Fatal("nothing was asked")
			}
			s.watchdog(time.Now())
			var stall *StallError
			told := errors.As(s.Stalled(), &stall)
			if told != (time.Since(begin) > hanging) || told && (!strings.Contains(stall.Error(), "c/t") || stall.Since != begin) {
				t.Fatalf("after %v: %v", time.Since(begin), s.Stalled())
			}
			<-time.After(10 * time.Second)
		}
		if s.fatal != nil || p.plan.next != 50 {
			t.Errorf("it was given up with %v, or skipped: it goes on at %d", s.fatal, p.plan.next)
		}
		answer(s, l, ok(wire.Part{HighWatermark: 60, LastStable: 60, Data: emptyBatch(50, 59, txnRecords, 10)}))
		if err := s.Stalled(); err != nil || p.plan.next != 60 {
			t.Errorf("it has ended, and %v; it goes on at %d", err, p.plan.next)
		}
	})
}
