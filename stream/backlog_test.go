package stream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

func TestWhatIsGivenUpIsCommittedOnceItIsReadAgain(t *testing.T) {
	var b backlog
	reads := func(n int64, want bool) {
		t.Helper()
		if got := b.reads(n); got != want {
			t.Errorf("after %d more records: all read again is %t, want %t", n, got, want)
		}
	}
	reads(10, false) // nothing was given up
	b.waiting.Add(5)
	b.giveUp()
	b.waiting.Add(-5) // thrown away
	if n := b.records(); n != 15 {
		t.Errorf("%d records, want those given up: 15", n)
	}
	b.started()
	reads(9, false)
	reads(1, true)
	reads(1, false)
	b.giveUp()
	b.started()
	reads(4, false)
	b.giveUp() // again, before all was read
	b.started()
	reads(4, false)
	b.committed(4) // by the clock
	reads(6, false)
	reads(1, true)
	b.committed(7)
	if n := b.records(); n != 0 {
		t.Errorf("%d records, want none", n)
	}
}

// A warm-up or the return of pending records may last for longer than three intervals, and commits nothing. A probe that
// then restarts the process makes it begin anew, for ever.
func TestLanesThatComeBackAreNotStalled(t *testing.T) {
	o := &observer[int]{opts: &Options{CommitEvery: time.Minute}, board: &statusBoard{}}
	now := time.Now()
	stalled := func(back bool) error {
		s := &Status{Lag: driver.Lag{Records: 7}, Uncommitted: o.board.moves.look(now, &o.backlog, 7)}
		return o.stalled(now, s, &driver.Health{Lag: driver.Lag{Records: 7}}, back)
	}
	for range 10 {
		now = now.Add(time.Minute)
		o.backlog.batches.Add(1)
		if err := stalled(false); err != nil {
			t.Fatalf("a warm-up goes on, and is stalled: %v", err)
		}
	}
	if err := stalled(true); err == nil || !strings.Contains(err.Error(), "nothing was committed for 9m0s, though 7 records") {
		t.Errorf("got %v, want that nothing was committed since the work began", err)
	}
	o.board.s.LastCommit = now.Add(-2 * time.Minute)
	if err := stalled(true); err != nil {
		t.Errorf("two intervals after a commit: %v", err)
	}
	away := errors.New("the store is away")
	o.board.work = outage{since: now, last: now, err: away}
	now = now.Add(31 * time.Second)
	if err := stalled(true); !errors.Is(err, away) {
		t.Errorf("two and a half intervals after a commit: %v, want the output's last error", err)
	}
}
