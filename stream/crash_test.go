package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var errFault = errors.New("fault")

// fault says what happens at one call of the output, counted over all runs.
type fault int

const (
	refuse      fault = iota // not done
	loseReply                // done, but nobody knows
	crashBefore              // not done, nor is anything else by this process
	crashAfter               // done, but nothing after it
)

var faultNames = []string{"refuse", "lose the reply", "crash before", "crash after"}

// errCrash ends what is left of a process that crashed at once.
var errCrash = fmt.Errorf("%w: %w", errFault, driver.ErrStop)

// faults counts calls and breaks some of them. Upkeep calls beside commits.
type faults struct {
	at map[int]fault

	mu      sync.Mutex
	calls   int
	last    map[string]int // call of each operation, of which there is one at a time
	crashed bool
	ops     []string
}

func (f *faults) hook(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return errCrash
	}
	f.calls++
	if f.last == nil {
		f.last = map[string]int{}
	}
	f.last[op] = f.calls
	f.ops = append(f.ops, op)
	switch kind, ok := f.at[f.calls]; {
	case ok && kind == crashBefore:
		f.crashed = true
		return errCrash
	case ok && kind == refuse:
		return errFault
	}
	return nil
}

func (f *faults) done(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch kind, ok := f.at[f.last[op]]; {
	case ok && kind == crashAfter:
		f.crashed = true
		return errCrash
	case ok && kind == loseReply:
		return errFault
	}
	return nil
}

// pairedRecords has pairs that are apart, lonely ones and a broken record: the partition, then the value.
var pairedRecords = []struct {
	lane, part int
	value      string
}{
	{0, 0, "06:00 a1"}, {1, 0, "06:00 g1"}, {0, 0, "06:01 b1"}, {1, 1, "06:01 g2"}, {0, 0, "broken"}, {0, 0, "06:02 a2"},
	{1, 0, "06:01 h1"}, {1, 0, "06:02 i1"}, {0, 0, "06:03 c2"}, {1, 1, "06:01 h2"}, {0, 0, "06:04 d1"}, {1, 1, "06:50 j2"},
	{0, 0, "06:30 b2"}, {1, 0, "06:45 j1"}, {0, 0, "06:59 e1"}, {1, 0, "07:10 k1"}, {0, 0, "07:00 e2"}, {1, 1, "07:11 k2"},
	{0, 0, "07:05 f1"},
}

// feedPaired appends a record a second, then ends the log. No end can be proved before: the records are older than the
// clock.
func feedPaired() *streamtest.Log {
	log := streamtest.NewLog(1, 2)
	for _, p := range [][2]int{{0, 0}, {1, 0}, {1, 1}} {
		log.OpenTransaction(p[0], p[1], true)
	}
	go func() {
		for _, r := range pairedRecords {
			log.Append(r.lane, r.part, t0, r.value)
			elapse(time.Second)
		}
		log.EndAll()
	}()
	return log
}

var (
	pairedRows = []string{"a1+a2", "b1", "d1", "e1+e2", "f1", "g1+g2", "h1+h2", "i1", "j1+j2", "k1+k2"}

	// Of the 19 records c2 and b2 are alone, one is broken and six went into another one's row.
	pairedCounts = record.Counts{record.Written: 10, record.Merged: 6, record.Filtered: 2, record.Dead: 1}
)

// runPaired runs the job again until it ends, and returns how often.
func runPaired(t *testing.T, log *streamtest.Log, ledger *streamtest.Ledger[text], f *faults) int {
	for runs := 1; ; runs++ {
		if runs > 10 {
			t.Fatalf("the job does not end")
		}
		out := ledger.Output()
		out.Hook, out.Done = f.hook, f.done
		f.crashed = false
		p := stream.Via(texts(log.Source(nil)), pairing{10 * time.Minute})
		err := stream.Run(t.Context(), p, out, &stream.Options{CommitEvery: 2 * time.Second, Parallel: 2})
		if err == nil {
			return runs
		}
		if !errors.Is(err, errFault) {
			t.Fatalf("Run: %v", err)
		}
		if n := out.Open(); n > 0 && !f.crashed {
			t.Errorf("%d transactions are left open, want 0", n)
		}
	}
}

func checkPaired(t *testing.T, ledger *streamtest.Ledger[text], what string) {
	t.Helper()
	if got := words(ledger.Rows()); !slices.Equal(got, pairedRows) {
		t.Errorf("%s: got rows %v, want %v", what, got, pairedRows)
	}
	if got := ledger.Counts(); got != pairedCounts {
		t.Errorf("%s: got fates %v, want %v", what, got, pairedCounts)
	}
	if got := len(ledger.Dead()); got != 1 {
		t.Errorf("%s: %d dead letters, want 1", what, got)
	}
}

func newPairedLedger(t *testing.T) *streamtest.Ledger[text] {
	ledger := streamtest.NewLedger[text](t)
	ledger.Lateness = 15 * time.Minute
	return ledger
}

// Every call of the output is refused, or its reply is lost, or the process crashes before or after it.
func TestEveryCrashPointEndsWithTheSameRows(t *testing.T) {
	for kind := refuse; kind <= crashAfter; kind++ {
		for k := 1; ; k++ {
			f := &faults{at: map[int]fault{k: kind}}
			synctest.Test(t, func(t *testing.T) {
				log, ledger := feedPaired(), newPairedLedger(t)
				runPaired(t, log, ledger, f)
				checkPaired(t, ledger, fmt.Sprintf("%s at call %d of %v", faultNames[kind], k, f.ops))
			})
			if t.Failed() {
				return
			}
			if f.calls < k {
				if k < 10 {
					t.Errorf("a run has %d calls, want enough to break", f.calls)
				}
				break // the job was over before call k: all points tried
			}
		}
	}
}

// A second fault meets the recovery from the first.
func TestEveryCrashDuringRecoveryEndsWithTheSameRows(t *testing.T) {
	second := 12
	if testing.Short() {
		second = 4
	}
	for _, kinds := range [][2]fault{{crashBefore, crashBefore}, {crashAfter, loseReply}, {loseReply, crashAfter}, {refuse, refuse}} {
		for k := 1; ; k++ {
			calls := 0
			for d := 1; d <= second; d++ {
				f := &faults{at: map[int]fault{k: kinds[0], k + d: kinds[1]}}
				synctest.Test(t, func(t *testing.T) {
					log, ledger := feedPaired(), newPairedLedger(t)
					runPaired(t, log, ledger, f)
					checkPaired(t, ledger, fmt.Sprintf("%s at call %d, %s at call %d of %v", faultNames[kinds[0]], k, faultNames[kinds[1]], k+d, f.ops))
				})
				if t.Failed() {
					return
				}
				calls = f.calls
			}
			if calls < k {
				break
			}
		}
	}
}
