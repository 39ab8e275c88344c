package seal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// real is a store with a clock that is doubted like those of real stores.
type real struct{ *sinktest.Memory }

func (real) Traits() storage.Traits { return storage.Traits{} }

// The store's clock was once a day ahead for 8 seconds, and a job that was idle sealed 24 hours.
func TestAStoreWhoseClockIsADayAheadForSecondsSealsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := time.Duration(0)
		store := real{&sinktest.Memory{Clock: func() time.Time { return time.Now().Add(off) }}}
		out := attached(t, store, nil)
		idle := func() driver.Upkeep { // proves the ends of both logs by the output's clock, as the engine does
			now, _, err := out.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			cut := driver.Cut{}
			for _, p := range partitions {
				cut.Lanes = append(cut.Lanes, driver.LaneCut{
					Lane: p.ID, Partitions: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: 1}, MaxEventTime: now}},
				})
			}
			if _, err := out.Begin(nil).Commit(t.Context(), cut); err != nil {
				t.Fatal(err)
			}
			up, err := out.Maintain(t.Context(), func(context.Context) ([]record.Partition, error) { return partitions, nil })
			if err != nil {
				t.Fatal(err)
			}
			return up
		}
		reach(t, out, 1, time.Now(), time.Now())
		explain := func() (doubts int) {
			why, err := seal.Explain(t.Context(), store, "etl", time.Now(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range why {
				if b.Doubt != nil && strings.Contains(b.String(), "is in doubt: sink: the store's clock says") {
					doubts++
				}
			}
			return doubts
		}
		if explain() != 0 {
			t.Error("Explain doubts a clock that is right")
		}
		for off = 24 * time.Hour; off > 0; { // as long as it lasts
			for range 4 {
				up := idle()
				var doubt *sink.ClockError
				if !errors.As(up.Unclosed, &doubt) || up.ClosedHours != 0 {
					t.Errorf("a day ahead: upkeep says %+v, want a *ClockError and no closed hour", up)
				}
				if explain() != 1 {
					t.Error("a day ahead: Explain does not tell that the clock is in doubt")
				}
				time.Sleep(2 * time.Second) //nolint:forbidigo // in a synctest bubble
			}
			off = 0
		}
		if up := idle(); up.Unclosed != nil || up.ClosedHours != 0 {
			t.Errorf("when it is back: upkeep says %+v", up)
		}
		if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Before(time.Now()) {
			t.Errorf("the first open hour is %s, %v; it is %s", first, err, time.Now())
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // in a synctest bubble; on it goes
		if idle(); idle().ClosedHours == 0 {
			t.Error("two hours later no hour is closed")
		}
	})
}

func TestAStoreWhoseClockStaysADayAheadIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := real{&sinktest.Memory{Clock: func() time.Time { return time.Now().Add(24 * time.Hour) }}}
		out := attached(t, store, nil)
		begun := time.Now()
		for {
			now, latest, err := out.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Now().Add(24 * time.Hour); !latest.Equal(want) {
				t.Fatalf("after %s the latest time is %s, want %s: nothing up to it is in the future", time.Since(begun), latest, want)
			}
			if now.Equal(latest) {
				break
			}
			if time.Since(begun) > time.Hour {
				t.Fatal("a clock that is wrong for ever is never believed")
			}
			time.Sleep(3 * time.Second) //nolint:forbidigo // in a synctest bubble
		}
		if passed := time.Since(begun); passed < 10*time.Minute {
			t.Errorf("it was believed after %s, want 10 minutes", passed)
		}
	})
}
