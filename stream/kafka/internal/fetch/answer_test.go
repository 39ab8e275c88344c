package fetch

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/batch/batchtest"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
	"github.com/onceflow/onceflow/stream/record"
)

// newFollowing is a reader with one partition, read up to offset 50 of which 40 were consumed before.
func newFollowing() (*Reader, *part, *loop) {
	r := New(context.Background(), &Options{
		Access: &cluster.Access{}, FetchBytes: 100, Buffer: 1 << 20, Logger: slog.New(slog.DiscardHandler),
		Retention: func(string) time.Duration { return 0 }, Kick: func() {},
	})
	r.Add([]cluster.Lane{{Name: "0", Parts: []cluster.Part{{Topic: "t", Name: record.Partition{Source: "c/t", ID: "0"}}}}})
	l := r.lanes["0"]
	l.started, l.phase = true, following
	p := l.parts[0]
	p.broker, p.epoch, p.plan = 1, 3, newPlan(driver.Progress{UpTo: at(39)}, &driver.Start{}, 0)
	p.plan.enter(following)
	p.plan.next, p.plan.consumed, p.plan.lastEpoch = 50, 45, 3 // offsets 45 to 49 were markers
	r.loops[1] = &loop{r: r, id: 1, wake: make(chan struct{}, 1)}
	return r, p, r.loops[1]
}

// answer plays a round with one answer.
func answer(l *loop, r wire.Part) *round {
	q := &round{}
	if !l.take(q) {
		return nil
	}
	q.resp.Parts = []wire.Part{r}
	l.apply(q, true)
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
		r, p, l := newFollowing()
		answer(l, ok(wire.Part{Diverged: true, DivergedEnd: end, HighWatermark: 60, LastStable: 60}))
		var e *fault.Lost
		if got := errors.As(r.fatal, &e); got != lost {
			t.Errorf("truncated at %d: got %v", end, r.fatal)
		}
		if lost && (e.From != end || !errors.Is(r.fatal, driver.ErrLost)) {
			t.Errorf("truncated at %d: %v", end, r.fatal)
		}
		if !lost && (p.plan.next != end || p.plan.lastEpoch != -1) {
			t.Errorf("truncated at %d, which lost nothing: it goes on at %d", end, p.plan.next)
		}
	}
}

func TestAnswersOfAnOldRouteOrPlanAreWorthless(t *testing.T) {
	for name, change := range map[string]func(*part){
		"another route": func(p *part) { p.reroute(2) },
		"another plan":  func(p *part) { p.plan = newPlan(driver.Progress{}, &driver.Start{}, 0) },
		"revoked":       func(p *part) { p.lane.gone = true },
	} {
		r, p, l := newFollowing()
		q := &round{}
		if !l.take(q) || r.budget.reserved != 100 || !p.asked {
			t.Fatal("nothing was asked")
		}
		change(p)
		before := p.plan.next
		q.resp.Parts = []wire.Part{{Err: int16(sarama.ErrOffsetOutOfRange), HighWatermark: -1, LastStable: -1, Preferred: -1}}
		l.apply(q, true)
		if p.plan.next != before || p.look || r.budget.reserved != 0 || r.fatal != nil {
			t.Errorf("%s: the answer counted, or %d bytes are still reserved", name, r.budget.reserved)
		}
	}
}

func TestNothingIsAskedTwiceNorWithoutRoom(t *testing.T) {
	r, p, l := newFollowing()
	q := &round{}
	if !l.take(q) {
		t.Fatal("nothing was asked")
	}
	if l.take(&round{}) {
		t.Error("it was asked twice")
	}
	l.abandon(q)
	if r.budget.reserved != 0 || p.asked {
		t.Errorf("%d bytes are still reserved", r.budget.reserved)
	}
	r.budget.used = r.opts.Buffer
	if l.take(q) {
		t.Error("it was asked without room")
	}
	r.budget.used, p.out = 0, ahead
	if l.take(q) {
		t.Error("it was asked though enough waits")
	}
	p.out, p.lane.paused = 0, true
	if l.take(q) {
		t.Error("it was asked though the lane is paused")
	}
}

func TestALeaderThatNamesANearerReplicaIsLeft(t *testing.T) {
	_, p, l := newFollowing()
	answer(l, wire.Part{Preferred: 2, HighWatermark: 60, LastStable: 60})
	if p.replica != 2 || p.broker != -1 {
		t.Errorf("replica %d, broker %d", p.replica, p.broker)
	}
}

func TestABatchThatIsLargerThanAskedForIsAskedForWhole(t *testing.T) {
	_, p, l := newFollowing()
	head := make([]byte, 40)
	head[10], head[16] = 200, 2 // 12 + 51,200 bytes, message format 2
	answer(l, ok(wire.Part{HighWatermark: 60, LastStable: 60, Data: head}))
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
		r, p, _ := newFollowing()
		p.look = true
		for range 5 {
			p.found(c.first, c.last, 0)
		}
		if lost := errors.Is(r.fatal, driver.ErrLost); lost != (c.next < 0) || !lost && (p.plan.next != c.next || p.look) {
			t.Errorf("%s: error %v, goes on at %d", c.name, r.fatal, p.plan.next)
		}
	}
}

// A producer's transaction that was open for two minutes once had no line and no reason in the status, though it hides all
// records behind it. Nothing is given up or skipped for it.
func TestATransactionThatHangsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p, l := newFollowing()
		var log strings.Builder
		r.opts.Stall, r.opts.GiveUp, r.opts.Logger = time.Minute, 5*time.Minute, slog.New(slog.NewTextHandler(&log, nil))
		open := ok(wire.Part{HighWatermark: 60, LastStable: 50})
		begin := time.Now()
		for time.Since(begin) < 2*hanging {
			if answer(l, open) == nil {
				t.Fatal("nothing was asked")
			}
			r.Watchdog(time.Now())
			var stall *limits.Stall
			told := errors.As(r.Stalled(), &stall)
			if told != (time.Since(begin) > hanging) || told && (!strings.Contains(stall.Error(), "c/t") || stall.Since != begin) {
				t.Fatalf("after %v: %v", time.Since(begin), r.Stalled())
			}
			<-time.After(10 * time.Second)
		}
		if s := log.String(); strings.Count(s, "open transaction keeps records back") != 1 || !strings.Contains(s, "partition=c/t/0") || !strings.Contains(s, "offset=50") {
			t.Errorf("it says %q, want one line with the partition and the offset", s)
		}
		if r.fatal != nil || p.plan.next != 50 {
			t.Errorf("it was given up with %v, or skipped: it goes on at %d", r.fatal, p.plan.next)
		}
		answer(l, ok(wire.Part{HighWatermark: 60, LastStable: 60, Data: batchtest.Empty(50, 59, batchtest.Transactional, 10)}))
		if err := r.Stalled(); err != nil || p.plan.next != 60 {
			t.Errorf("it has ended, and %v; it goes on at %d", err, p.plan.next)
		}
	})
}

// What all had come by is known from where the log ended when the broker was asked, and not from times that producers set. A
// partition that is behind tells it once it has got that far.
func TestArrivalsAreOfLogsThatWereReadToAnEarlierEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, l := newFollowing()
		begun := time.Now()
		read := func(first, last, end int64) (at time.Duration, told bool) {
			t.Helper()
			q := answer(l, ok(wire.Part{HighWatermark: end, LastStable: end, Data: batchtest.Empty(first, last, 0, 0)}))
			if q == nil {
				t.Fatal("nothing was asked")
			}
			l.decode(&q.asks[0], nil)
			d := r.queue.first()
			if d == nil || !d.batch.Undated {
				t.Fatal("there is no batch, or one whose records have times of arrival")
			}
			for _, a := range d.batch.Arrivals {
				if at, told = a.At.Sub(begun), true; !a.Machine || a.Partition.ID != "0" {
					t.Errorf("got %+v", a)
				}
			}
			d.unqueue()
			<-time.After(time.Second)
			return at, told
		}
		for i, c := range []struct {
			first, last, end int64
			at               time.Duration // -1: nothing is told
		}{
			{50, 54, 70, -1}, // behind: it ended at 70
			{55, 69, 90, 0},
			{70, 89, 90, 2 * time.Second},
			{90, 99, 100, 3 * time.Second},
		} {
			at, told := read(c.first, c.last, c.end)
			if told != (c.at >= 0) || told && at != c.at {
				t.Errorf("batch %d: all that came until %s is read (%t), want %s", i, at, told, c.at)
			}
		}
	})
}
