package seal_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// One record 59 minutes ahead sent 354 of 416 others to late/. One 47 days ahead in a backfill sent 3,384 of 6,579 there, and
// 3,387 empty hours were sealed.
func TestOneRecordFarAheadMakesNoOtherLate(t *testing.T) {
	const days = 24 * time.Hour
	for _, c := range []struct {
		name         string
		rows, odd    int
		apart, ahead time.Duration
	}{
		{"59 minutes ahead", 416, 62, 17 * time.Second, 59 * time.Minute},
		{"59 minutes ahead, at the end", 416, 415, 17 * time.Second, 59 * time.Minute},
		{"47 days ahead", 6579, 3195, 2 * time.Minute, 47 * days},
		{"47 days ahead, the first", 6579, 0, 2 * time.Minute, 47 * days},
		{"47 days ahead, among few", 1200, 600, 20 * time.Minute, 47 * days},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 3))
				src, store := streamtest.NewLog(1), sinktest.NewMemory()
				first := noon.Add(-100 * days)
				store.Clock = func() time.Time { return noon }
				last := first
				for i := range c.rows {
					last = first.Add(time.Duration(i)*c.apart - time.Duration(r.IntN(10))*time.Second)
					if i == c.odd {
						last = last.Add(c.ahead)
					}
					appendHit(src, 0, last)
				}
				src.OpenTransaction(0, 0, true) // nothing but records moves the clock
				var late, written int64
				run(t, src, store, func(s stream.Status) { late, written = s.Counts[record.Late], s.Counts[record.Written] })
				if late != 0 || written != int64(c.rows) {
					t.Errorf("%d rows are late and %d on time, want none and %d", late, written, c.rows)
				}
				if got, most := seals(t, store), int(last.Sub(first)/time.Hour)+2; c.odd < c.rows-1 && got > most {
					t.Errorf("%d hours are sealed, want at most the %d that have rows", got, most)
				}
			})
		})
	}
}

// run lets a job read what there is, until upkeep had time to close hours.
func run(t *testing.T, src *streamtest.Log, store *sinktest.Memory, observe func(stream.Status)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	opts := stream.Options{CommitEvery: 5 * time.Second, Now: store.Clock}
	if err := jobWith(ctx, src, store, &opts, observe); err != nil {
		t.Fatal(err)
	}
}

func seals(t *testing.T, store *sinktest.Memory) (n int) {
	t.Helper()
	for o, err := range store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(o.Key, "/_SEALED") {
			n++
		}
	}
	return n
}

// What a restart forgot would begin to be confirmed again: a log that is read in short runs would never get on.
func TestAJumpThatWaitsSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, store := streamtest.NewLog(1), sinktest.NewMemory()
		store.Clock = func() time.Time { return noon }
		src.OpenTransaction(0, 0, true)
		explain := func() string {
			t.Helper()
			b, err := seal.Explain(t.Context(), store, "etl", noon.Add(-5*time.Hour), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) != 1 {
				return ""
			}
			return b[0].String()
		}
		many := func(n int, at time.Time) {
			for range n {
				appendHit(src, 0, at)
			}
			run(t, src, store, nil)
		}
		many(10, noon.Add(-6*time.Hour))
		want := "first event times, 2025-05-01T06:00:00Z to 2025-05-01T06:00:00Z, wait to be confirmed by further records (10 of 16)"
		if got := explain(); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		many(6, noon.Add(-6*time.Hour+time.Minute))
		if got, want := explain(), "having seen events up to 2025-05-01T06:00:00Z"; !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		many(3, noon.Add(-2*time.Hour))
		want = "an event at 2025-05-01T10:00:00Z is 4h0m0s ahead of them and waits to be confirmed by further records (3 of 16)"
		if got := explain(); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		many(13, noon.Add(-time.Hour))
		if got := explain(); got != "" {
			t.Errorf("got %q, want nothing: the jump is confirmed", got)
		}
	})
}
