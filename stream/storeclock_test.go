package stream_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
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
			p := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
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
		if got, want := ledger.Counts(), (stream.Counts{stream.Written: 30}); got != want {
			t.Errorf("got fates %v, want %v", got, want)
		}
	})
}
