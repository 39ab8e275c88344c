package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestFencedWorkIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a1", "06:01 b")
		log.Append(1, 0, t0, "06:00 c")
		j := startJob(t, log.Source(nil), ledger.Output(), often, pairing{forever})
		elapse(2 * every)
		log.Append(0, 0, t0, "06:02 d1")
		log.Append(1, 0, t0, "06:02 e1")
		ledger.Take("lane-0")
		elapse(3 * every)
		log.Append(0, 0, t0, "06:03 a2", "06:03 d2")
		synctest.Wait()
		j.mustStop()
		wantWords(t, ledger, "a1+a2", "d1+d2")
		if s := j.now(); s.Fenced != 1 {
			t.Errorf("%d fences in the status, want 1", s.Fenced)
		}
		if !strings.Contains(j.logged(), `level=WARN msg=fenced`) {
			t.Errorf("no line about the fence in\n%s", j.logged())
		}
	})
}

// Two processes that both believe they have all lanes fence each other for ever, but no record counts twice.
func TestTwoProcessesOnOneLogAreBothSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 2), newLedger(t)
		a := startJob(t, log.Source(nil), ledger.Output(), often, pairing{forever})
		b := startJob(t, log.Source(nil), ledger.Output(), often, pairing{forever})
		for _, r := range pairedRecords {
			log.Append(r.lane, r.part, t0, r.value)
			elapse(7 * time.Second)
		}
		elapse(time.Minute)
		a.mustStop()
		b.mustStop()
		if n := a.now().Fenced + b.now().Fenced; n == 0 {
			t.Error("nobody was fenced")
		}
		wantWords(t, ledger, pairedRows2...)
	})
}

// pairedRows2 are pairedRows if b1 waits long enough for b2.
var pairedRows2 = []string{"a1+a2", "b1+b2", "e1+e2", "g1+g2", "h1+h2", "j1+j2", "k1+k2"}

func TestACommitWhoseReplyIsLostCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		out := ledger.Output()
		lost := 0
		out.Done = func(op string) error {
			if op == "commit" && lost < 2 {
				lost++
				return errors.New("no reply")
			}
			return nil
		}
		j := startJob(t, log.Source(nil), out, often)
		elapse(3 * every)
		log.Append(0, 0, t0, "06:01 b")
		elapse(3 * every)
		j.mustStop()
		wantWords(t, ledger, "a", "b")
		if lost != 2 {
			t.Errorf("%d replies were lost, want 2", lost)
		}
		if s := j.now(); s.Fenced != 0 {
			t.Errorf("%d fences, want none: only the outcome was unknown", s.Fenced)
		}
	})
}

func TestALastCommitThatIsFencedIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), ledger.Output(), often)
		ledger.Take("lane-0")
		j.mustStop()
		wantWords(t, ledger)
	})
}

// A stage keeps state between batches. After a fence a new processor must not see what the old one had done.
func TestAFenceReplacesTheProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		opened, closed := 0, 0
		j := startJob(t, log.Source(nil), ledger.Output(), often, counting{&opened, &closed})
		log.Append(0, 0, t0, "06:00 a")
		ledger.Take("lane-0")
		elapse(2 * every)
		j.mustStop()
		if opened != 2 || closed != 2 {
			t.Errorf("%d processors opened and %d closed, want 2", opened, closed)
		}
	})
}

// counting counts its processors.
type counting struct{ opened, closed *int }

func (c counting) Open(*stage.Lane) (stage.Processor[text, text], error) {
	*c.opened++
	return counted{Processor: passing, closed: c.closed}, nil
}

type counted struct {
	stage.Processor[text, text]
	closed *int
}

func (c counted) Close() error {
	*c.closed++
	return nil
}

var passing = stream.Func[text, text](func(_ context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	for _, e := range in {
		out.Emit(e)
	}
	return nil
})
