package dedup_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Copies of two IDs were written after a restart: the partition of the first ones was three hours ahead of that of the copies,
// and was read again from an hour before its own end, not that of the other one.
func TestCopiesInAPartitionThatIsBehindAreKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
		log, ledger := streamtest.NewLog(2), streamtest.NewLedger[string](t)
		ledger.Lateness, ledger.Now = -1, func() time.Time { return start.Add(24 * time.Hour) }
		for p := range 2 {
			log.OpenTransaction(0, p, true) // no proof moves a clock
			for i := range 16 {
				log.Append(0, p, start, fmt.Sprintf("first %d.%d", p, i))
			}
		}
		for m := range 60 {
			log.Append(0, 0, start.Add(time.Duration(3*m)*time.Minute), fmt.Sprint("id ", m))
		}
		run := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
			p = stream.Via(p, dedup.ByID(dedup.NewMemory(nil), func(s *string) string { return *s }, &dedup.Options{Window: time.Hour}))
			if err := stream.Run(ctx, p, ledger.Output(), nil); err != nil {
				t.Fatal(err)
			}
		}
		run()
		log.Append(0, 1, start.Add(3*time.Minute), "id 1", "id 2")
		run()
		if n := ledger.Counts()[stream.Duplicate]; n != 2 {
			t.Errorf("%d duplicates, want 2", n)
		}
	})
}
