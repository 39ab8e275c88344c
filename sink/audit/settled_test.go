package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/sinktest"
)

// A batch of which each other line is missing once kept half a million runs for each report that told of 1,000.
func TestOnlyTheFirstRunsAreKept(t *testing.T) {
	var s lineSet
	for line := 2; line <= MaxLines; line += 2 {
		s.add(line, line)
	}
	runs := s.missing(MaxLines, mostRuns)
	if len(runs) != mostRuns || cap(runs) > 2*mostRuns || runs[mostRuns-1] != (Range{2*mostRuns - 1, 2*mostRuns - 1}) {
		t.Errorf("%d runs with room for %d, the last is %v", len(runs), cap(runs), runs[len(runs)-1])
	}
	if got := (lineSet{}).missing(3, 1); !slices.Equal(got, []Range{{1, 3}}) {
		t.Errorf("of three lines that never came %v are missing", got)
	}
}

// Parts in which nothing is missing once kept all that was to be told of them, each as much as a report may have.
func TestSettledPartsKeepNoMoreThanAReportHas(t *testing.T) {
	now := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	f, err := OpenFolder(t.Context(), sinktest.NewMemory(), "clicks")
	if err != nil {
		t.Fatal(err)
	}
	opts, err := (&Options{Most: 10}).filled()
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{auditor: &auditor{opts: opts, clock: newClock(f)}, settled: map[time.Time]*settled{}}
	j := &judge{now: now, progress: progress{reached: now}, opts: &opts}
	add := func(from time.Time, n int) {
		p := &part{from: from, to: from.Add(time.Hour), sum: Sum{Words: map[Word]int64{Dead: int64(n)}}, found: make([]Finding, n, 1000)}
		w.settle(p, j)
	}
	kept := func() (n, room int) {
		for _, s := range w.settled {
			n, room = n+len(s.found), room+cap(s.found)
		}
		return n, room
	}
	for h := range 20 {
		add(now.Add(-time.Duration(30-h)*time.Hour), 3)
	}
	if n, room := kept(); n != 10 || room > 20 || w.kept != 10 {
		t.Errorf("%d findings are kept, with room for %d and %d as counted, want 10", n, room, w.kept)
	}
	w.forget(now.Add(-28*time.Hour), now)
	if n, _ := kept(); n != w.kept || n >= 10 {
		t.Errorf("when the first are too old %d are kept, %d as counted", n, w.kept)
	}
	add(now.Add(-9*time.Hour), 3)
	if n, _ := kept(); n != w.kept || n > 10 {
		t.Errorf("with one more %d are kept, %d as counted", n, w.kept)
	}
	w.forget(now.Add(-28*time.Hour), now.Add(againClean))
	if len(w.settled) != 0 || w.kept != 0 {
		t.Errorf("after %s %d parts are not read again", againClean, len(w.settled))
	}
}

func TestARefusalIsNoWordOnTheSource(t *testing.T) {
	refused, away := fmt.Errorf("topic x: %w", &RefusedError{Lines: []Refusal{{Err: errors.New("too large")}}}), errors.New("no broker answers")
	for _, c := range []struct {
		err  error
		want bool
	}{
		{refused, true}, {errors.Join(refused), true}, {fmt.Errorf("too large: %w", fs.ErrInvalid), true},
		{errors.Join(refused, away), false}, {away, false}, {fmt.Errorf("%w: %w", fs.ErrPermission, away), false},
	} {
		if got := isRefusal(c.err); got != c.want {
			t.Errorf("%v: got %t", c.err, got)
		}
	}
}
