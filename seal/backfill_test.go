package seal_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// filling is a job in the background, that reads events of days ago.
type filling struct {
	store  *sinktest.Memory
	status atomic.Pointer[stream.Status]
	stop   func()
}

func fill(t *testing.T, src driver.Source, patience time.Duration, stages ...stage.Stage[hit, hit]) *filling {
	t.Helper()
	f := &filling{store: sinktest.NewMemory()}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	p := stream.Via(stream.From(src), stream.Decode(parse, (*hit).time))
	for _, s := range stages {
		p = stream.Via(p, s)
	}
	out, err := sink.Open(t.Context(), f.store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit]()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := stream.Options{CommitEvery: 2 * time.Second, Backfill: patience, Observe: func(s stream.Status) { f.status.Store(&s) }}
	go func() { ended <- stream.Run(ctx, p, seal.Hourly(out, nil), &opts) }()
	f.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return f
}

func (f *filling) fates() record.Counts { return f.status.Load().Counts }

func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // the clock of the bubble

// A pause of 9 seconds in a backfill of old events closed 72 hours: all that came after it was late.
func TestAPauseInABackfillClosesNoHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := streamtest.NewLog(1, 1)
		f := fill(t, src.Source(nil), 5*time.Minute)
		first := time.Now().Add(-72 * time.Hour)
		for m := range 240 {
			if m == 120 {
				pass(4 * time.Minute)
			}
			for lane := range 2 {
				appendHit(src, lane, first.Add(time.Duration(m)*time.Minute))
			}
		}
		pass(4 * time.Minute)
		if got := f.fates(); got != (record.Counts{record.Written: 480}) {
			t.Errorf("fates %v, want 480 rows on time", got)
		}
		if got := seals(t, f.store); got != 3 {
			t.Errorf("%d hours are sealed while more may come, want 3 of 4", got)
		}
		pass(3 * time.Minute)
		if got := seals(t, f.store); got != 4 {
			t.Errorf("%d hours are sealed in the end, want 4", got)
		}
		pass(2 * time.Hour) // it goes on at the pace of the store's clock
		if got := seals(t, f.store); got != 6 {
			t.Errorf("%d hours are sealed two hours later, want two more", got)
		}
		f.stop()
	})
}

// What a join held for longer than the lateness would be held for ever: no record moves its clock any more.
func TestWhatIsPendingAtTheEndOfABackfillLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := streamtest.NewLog(2) // the second partition is empty
		waits := join.Left(func(h *hit) string { return h.At.String() }, func(*hit) bool { return true }, func(_, _ *hit) {},
			&join.Options{Window: 3 * time.Hour})
		f := fill(t, src.Source(nil), 5*time.Minute, waits)
		for range 20 {
			appendHit(src, 0, time.Now().Add(-72*time.Hour))
		}
		pass(30 * time.Minute)
		if got := f.fates(); got.Sum() != 0 {
			t.Errorf("fates %v after half an hour, want all pending for three", got)
		}
		pass(3 * time.Hour)
		if got := f.fates(); got != (record.Counts{record.Written: 20}) {
			t.Errorf("fates %v, want 20 rows on time", got)
		}
		if got := seals(t, f.store); got != 4 { // its own, and those that have passed
			t.Errorf("%d hours are sealed, want 4", got)
		}
		f.stop()
	})
}

// When every file of a followed folder had ended, the hour of the last one closed, and the next file of that hour was late.
func TestAPauseBetweenFilesOfAnHourClosesNoHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		src, err := file.Open(file.Config{Dir: dir}, &file.Options{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		first := time.Now().Truncate(time.Hour).Add(-72 * time.Hour)
		add := func(name string, from int) {
			t.Helper()
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			for m := range 30 {
				fmt.Fprintf(z, "{\"At\":%q}\n", first.Add(time.Duration(from+m)*time.Minute).Format(time.RFC3339))
			}
			z.Close()
			if err := os.WriteFile(filepath.Join(dir, "."+name), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		add("a.gz", 0)
		f := fill(t, src, 2*time.Hour)
		pass(time.Hour)
		add("b.gz", 30)
		pass(time.Hour)
		add("c.gz", 60)
		pass(time.Hour)
		if got := f.fates(); got != (record.Counts{record.Written: 90}) {
			t.Errorf("fates %v, want 90 rows on time", got)
		}
		if got := seals(t, f.store); got != 1 {
			t.Errorf("%d hours are sealed while the folder gets a file an hour, want the first", got)
		}
		pass(90 * time.Minute)
		if got := seals(t, f.store); got != 2 {
			t.Errorf("%d hours are sealed in the end, want 2", got)
		}
		f.stop()
	})
}
