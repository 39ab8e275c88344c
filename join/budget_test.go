package join_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Right events are finished when they are read, but they are in memory: they count, in the first run and after a restart.
// Only newer records let go of them, so a job that stopped reading because of them would never go on.
func TestRightEventsCountInMemoryAndDoNotStopReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[event](t)
		ledger.Lateness, ledger.Now = -1, func() time.Time { return t0.Add(24 * time.Hour) }
		w := &war{t: t, log: log, ledger: ledger, o: &join.Options{}}
		log.OpenTransaction(0, 0, true) // only records move event time
		for range 16 {
			w.tick(0, 0, t0)
		}
		const n, size = 30, 100_000
		for i := range n {
			line, err := json.Marshal(event{ID: i + 1, Key: fmt.Sprint("k", i), At: t0})
			if err != nil {
				t.Fatal(err)
			}
			log.Append(0, 0, t0, string(line)+strings.Repeat(" ", size-len(line)))
		}
		var last stream.Status
		run := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			said := &lines{}
			p := stream.Via(stream.From(log.Source(nil)), stream.Decode(parseEvent, (*event).time))
			p = stream.Via(p, asOf(&join.Options{Window: time.Hour}))
			opts := &stream.Options{Memory: 1 << 20, Logger: slog.New(slog.NewTextHandler(said, nil)), Observe: func(s stream.Status) {
				if ctx.Err() == nil {
					last = s
				}
			}}
			if err := stream.Run(ctx, p, ledger.Output(), opts); err != nil {
				t.Fatal(err)
			}
			return said.String()
		}
		for range 2 {
			if said := run(); !strings.Contains(said, "need more than Options.Memory") {
				t.Errorf("no warning in\n%s", said)
			}
			if last.Bytes < n*size || last.Bytes > n*(size+1000) {
				t.Errorf("%d bytes are in use for %d right events of %d bytes", last.Bytes, n, size)
			}
		}
		for m := range 14 { // a clock believes five minutes at once
			w.tick(0, 0, t0.Add(time.Duration(m+1)*5*time.Minute))
		}
		run()
		if last.Bytes != 0 {
			t.Errorf("%d bytes are in use, want none after an hour", last.Bytes)
		}
	})
}

// lines is a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
