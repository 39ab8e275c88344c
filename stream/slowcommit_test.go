package stream_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/onceflow/onceflow/stream/streamtest"
)

// It once committed nothing more until its end: the time for the next commit had come while the one that failed was still
// under way, and the restart took that for done.
func TestCommitsGoOnAfterOneThatFailedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		out := ledger.Output()
		failed := false
		out.Hook = func(op string) error {
			if op == "commit" && !failed {
				failed = true
				elapse(2 * every)
				return errors.New("store is away")
			}
			return nil
		}
		j := startJob(t, log.Source(nil), out, often)
		elapse(6 * every)
		wantWords(t, ledger, "a")
		j.mustStop()
	})
}
