package stream_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// The machine's clock was once set back by two hours, and 300 of 963 good records became dead letters: they were too far
// ahead of it.
func TestAMachinesClockThatIsSetBackKillsNoRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[string](t)
		var off atomic.Int64
		done := make(chan error, 1)
		go func() {
			p := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *record.Record) (string, error) { return string(r.Value), nil }, nil))
			now := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
			done <- stream.Run(t.Context(), p, ledger.Output(), &stream.Options{Now: now, CommitEvery: time.Second})
		}()
		for i := range 30 {
			if i == 10 {
				off.Store(int64(-2 * time.Hour))
			}
			log.Append(0, 0, time.Now(), fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // in a synctest bubble
		}
		log.EndAll()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got, want := ledger.Counts(), (record.Counts{record.Written: 30}); got != want {
			t.Errorf("got fates %v, want %v", got, want)
		}
	})
}

// A machine's clock that was set forward by a day while a stage worked was told as a stall of a day, since the step's begin was
// kept as a time since 1970; set back by two hours, it hid a stage that hung.
func TestAMachinesClockThatStepsIsNoStall(t *testing.T) {
	for _, step := range []time.Duration{24 * time.Hour, 2 * time.Hour, -2 * time.Hour, -24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			log, ledger, stage := streamtest.NewLog(1), newLedger(t), newBlocking()
			log.Append(0, 0, t0, "06:00 a")
			var off atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
			j := startJob(t, log.Source(nil), ledger.Output(), stream.Options{CommitEvery: time.Hour, Now: now}, stage)
			elapse(10 * time.Second)
			off.Store(int64(step))
			elapse(10 * time.Second)
			if s := j.now(); s.Stalled != nil {
				t.Errorf("step %v: stalled %v after 20 seconds, want not", step, s.Stalled)
			}
			elapse(42 * time.Second)
			if s := j.now(); s.Stalled == nil || !strings.Contains(s.Stalled.Error(), "for 1m") {
				t.Errorf("step %v: stalled %v after 62 seconds, want that", step, s.Stalled)
			}
			close(stage.gate)
			j.mustStop()
		})
	}
}
