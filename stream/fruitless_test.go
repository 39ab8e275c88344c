package stream_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A job whose records were all dead letters once looked healthy: no field and no line of progress said so.
func TestAJobOfDeadLettersSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		j := startJob(t, log.Source(nil), ledger.Output(), often)
		feed := func(value string, commits int) stream.Status {
			for range commits {
				for range 40 {
					log.Append(0, 0, t0, value)
				}
				elapse(every + every/5)
			}
			return j.now()
		}
		feed("06:00 a", 2)
		if s := feed("no time", 2); s.Fruitless != nil {
			t.Errorf("after two commits of dead letters: %v", s.Fruitless)
		}
		s := feed("no time", 2)
		if s.Fruitless == nil || !strings.Contains(s.Fruitless.Error(), "dead letters") || s.Counts[stream.Dead] != 160 {
			t.Errorf("after four commits of dead letters: %v and %v", s.Fruitless, s.Counts)
		}
		if n := strings.Count(j.logged(), "no record has a row"); n != 1 {
			t.Errorf("%d lines about it, want 1", n)
		}
		elapse(3 * every) // without records
		if s := j.now(); s.Fruitless == nil {
			t.Error("it is forgotten when nothing comes")
		}
		if s := feed("06:00 b", 1); s.Fruitless != nil {
			t.Errorf("after a row: %v", s.Fruitless)
		}
		j.mustStop()
	})
}

func TestAnErrorIsTheLastLineAndOneOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		out.Hook = func(op string) error {
			if op == "commit" {
				return errAway
			}
			return nil
		}
		opts := often
		opts.Patience = time.Minute
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), out, opts)
		if err := <-j.ended; err == nil {
			t.Fatal("it ended well")
		}
		lines := strings.Split(strings.TrimSpace(j.logged()), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "level=ERROR msg=stop instance=me error=") {
			t.Errorf("the last line is %q, want an error", last)
		}
	})
}
