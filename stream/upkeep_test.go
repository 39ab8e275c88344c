package stream_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestAProvenEndOfAnIdleLogMovesItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		log.OpenTransaction(1, 0, true) // silence alone proves nothing
		j := startJob(t, log.Source(nil), ledger.Output(), often)
		elapse(2 * every)
		now := time.Now()
		idle := ledger.Progress(log.Partition(0, 0))
		if lag := now.Sub(idle.MaxEventTime); lag < 0 || lag > 2*every {
			t.Errorf("the idle log's clock is %v behind, want at most two commits", lag)
		}
		if g := ledger.Progress(log.Partition(1, 0)); !g.MaxEventTime.IsZero() {
			t.Errorf("the clock of a log with an open transaction moved to %v", g.MaxEventTime)
		}
		log.OpenTransaction(1, 0, false)
		elapse(3 * every)
		if g := ledger.Progress(log.Partition(1, 0)); g.MaxEventTime.IsZero() {
			t.Error("the clock of an empty log did not move")
		}
		j.mustStop()
	})
}

// orderedClock writes down the order of questions.
type orderedClock struct {
	*streamtest.Output[text]
	*streamtest.Source
	mu    sync.Mutex
	asked []string
}

func (o *orderedClock) note(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, s)
}

func (o *orderedClock) Now(ctx context.Context) (at, latest time.Time, err error) {
	o.note("clock")
	return o.Output.Now(ctx)
}

func (o *orderedClock) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	o.note("source")
	elapse(time.Second) // records with later times arrive meanwhile
	return o.Source.AtEnd(ctx, at)
}

// A time taken after the broker's answer would claim that records which arrived in between do not exist.
func TestTheClockIsAskedBeforeTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		both := &orderedClock{Output: ledger.Output(), Source: log.Source(nil)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- stream.Run(ctx, texts(both), both, &often) }()
		elapse(5 * time.Second) // until the first question was answered
		cancel()
		<-ended
		i := slices.Index(both.asked, "source")
		if i < 1 || both.asked[i-1] != "clock" {
			t.Fatalf("asked %v, want the clock right before the source", both.asked)
		}
		if seen := ledger.Progress(log.Partition(0, 0)).MaxEventTime; seen.IsZero() || !seen.Before(time.Now().Add(-time.Second)) {
			t.Errorf("the clock was moved to %v, want the time before the question", seen)
		}
	})
}

// clockReader is a stage that wants the committed clocks.
type clockReader struct {
	stage.Processor[text, text]
	mu  sync.Mutex
	got []record.Clocks
}

func (c *clockReader) Open(*stage.Lane) (stage.Processor[text, text], error) { return c, nil }

func (c *clockReader) Committed(_ context.Context, k record.Clocks) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, k)
	return nil
}

func (c *clockReader) told() []record.Clocks {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func TestStagesAreToldTheCommittedClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(2), newLedger(t)
		clocks := &clockReader{Processor: passing}
		log.OpenTransaction(0, 0, true)
		log.OpenTransaction(0, 1, true)
		j := startJob(t, log.Source(nil), ledger.Output(), often, clocks, pairing{forever})
		for range 8 { // times that are confirmed
			log.Append(0, 0, t0, "06:06 x1", "06:06 x2")
			log.Append(0, 1, t0, "06:06 x1", "06:06 x2")
		}
		log.Append(0, 0, t0, "06:05 a1", "06:07 b1", "06:09 c1", "06:09 c2")
		log.Append(0, 1, t0, "06:08 d1")
		synctest.Wait()
		if got := clocks.told(); len(got) != 0 {
			t.Errorf("told %v before anything was committed", got)
		}
		elapse(2 * every)
		j.mustStop()
		want := record.Clock{MaxEventTime: t0.Add(8 * time.Minute), Pending: t0.Add(5 * time.Minute)}
		if got := clocks.told(); len(got) == 0 || got[len(got)-1].Lane != want || got[len(got)-1].Job != want {
			t.Errorf("told %v, want at last %v for lane and job", got, want)
		}
	})
}

// acking is a source that is told positions.
type acking struct {
	*streamtest.Source
	mu    sync.Mutex
	acked map[record.Partition]record.Position
}

func (a *acking) Begin(context.Context, driver.Ledger) error { return nil }
func (a *acking) Finish([]string)                            {}
func (a *acking) Acked(context.Context, []record.Partition) (map[record.Partition]record.Position, error) {
	return nil, nil
}

func (a *acking) Ack(_ context.Context, upTo map[record.Partition]record.Position) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p, pos := range upTo {
		a.acked[p] = pos
	}
	return errors.New("only advice")
}

func (a *acking) told(p record.Partition) record.Position {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked[p]
}

func TestTheSourceIsToldCommittedPositionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		src := &acking{Source: log.Source(nil), acked: map[record.Partition]record.Position{}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- stream.Run(ctx, texts(src), ledger.Output(), &often) }()
		log.Append(0, 0, t0, "06:00 a", "06:01 b")
		synctest.Wait()
		if got := src.told(log.Partition(0, 0)); !got.IsZero() {
			t.Errorf("told %v before the commit", got)
		}
		elapse(2 * every)
		if got := src.told(log.Partition(0, 0)); got.Sub != 2 {
			t.Errorf("told %v, want 2", got)
		}
		log.Append(0, 0, t0, "06:02 c")
		synctest.Wait()
		src.Revoke(time.Now().Add(time.Second), "lane-0")
		synctest.Wait()
		if got := src.told(log.Partition(0, 0)); got.Sub != 3 {
			t.Errorf("told %v when the lane was given up, want 3", got)
		}
		src.Assign("lane-0")
		log.Append(0, 0, t0, "06:03 d")
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := src.told(log.Partition(0, 0)); got.Sub != 4 {
			t.Errorf("told %v at the end, want 4", got)
		}
	})
}

func TestStatusTellsHowTheJobIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src := log.Source(nil)
		j := startJob(t, src, ledger.Output(), often, pairing{forever})
		for range 12 {
			log.Append(0, 0, t0, "06:00 a1", "06:05 b2", "06:06 c2")
			log.Append(1, 0, t0, "06:01 d1")
			elapse(time.Second)
		}
		src.SetLag(17)
		elapse(1500 * time.Millisecond)
		s := j.now()
		if s.Lanes != 2 || !s.Ready || s.Read != 48 || s.Pending != 48 || s.Commits < 1 || s.Lag.Records != 17+s.Uncommitted || s.Stalled != nil {
			t.Errorf("got %+v", s)
		}
		if s.Rate < 3 || s.Rate > 5 {
			t.Errorf("rate %v, want about 4 a second", s.Rate)
		}
		if want := t0; !s.OldestPending.Equal(want) {
			t.Errorf("the oldest pending record is of %v, want %v", s.OldestPending, want)
		}
		elapse(61 * time.Second)
		if s := j.now(); s.Stalled == nil || !strings.Contains(s.Stalled.Error(), "17 records wait") {
			t.Errorf("a minute without a record: stalled %v, want it said", s.Stalled)
		}
		if got := strings.Count(j.logged(), "msg=stalled"); got != 1 {
			t.Errorf("%d lines about the stall, want 1", got)
		}
		log.Append(0, 0, t0, "06:07 e1")
		elapse(1500 * time.Millisecond)
		if s := j.now(); s.Stalled != nil {
			t.Errorf("stalled %v, want healthy", s.Stalled)
		}
		j.mustStop()
	})
}

func TestAStageThatHangsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		stage := newBlocking()
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), ledger.Output(), stream.Options{CommitEvery: time.Hour}, stage)
		elapse(62 * time.Second)
		if s := j.now(); s.Stalled == nil || !strings.Contains(s.Stalled.Error(), "lane-0 has been in a stage") {
			t.Errorf("stalled %v, want the lane's name", s.Stalled)
		}
		close(stage.gate)
		j.mustStop()
	})
}

// terminal is a device, or not.
type terminal struct {
	strings.Builder
	mode fs.FileMode
}

func (t *terminal) Fd() uintptr                { return 0 }
func (t *terminal) Stat() (fs.FileInfo, error) { return info{t.mode}, nil }

type info struct{ mode fs.FileMode }

func (i info) Name() string      { return "" }
func (i info) Size() int64       { return 0 }
func (i info) Mode() fs.FileMode { return i.mode }
func (i info) ModTime() (t time.Time) {
	return t
}
func (i info) IsDir() bool { return false }
func (i info) Sys() any    { return nil }

func TestProgressIsShownOnATerminalOnly(t *testing.T) {
	for mode, shown := range map[fs.FileMode]bool{os.ModeCharDevice: true, 0: false, os.ModeNamedPipe: false} {
		synctest.Test(t, func(t *testing.T) {
			log, ledger := streamtest.NewLog(1), newLedger(t)
			term := &terminal{mode: mode}
			opts := often
			opts.Progress = term
			j := startJob(t, log.Source(nil), ledger.Output(), opts, pairing{forever})
			log.Append(0, 0, t0, "06:00 a1")
			elapse(2500 * time.Millisecond)
			j.mustStop()
			if got := term.String(); (got != "") != shown {
				t.Errorf("mode %v: wrote %q", mode, got)
			} else if shown && (!strings.Contains(got, "\r1 read") || !strings.Contains(got, "1 pending") || !strings.HasSuffix(got, "\n")) {
				t.Errorf("wrote %q, want a line that counts the record", got)
			}
		})
	}
}

func TestOptionsSayAllThatIsWrong(t *testing.T) {
	src := streamtest.NewLog(1).Source(nil)
	out := streamtest.NewLedger[text](t).Output()
	err := stream.Run(t.Context(), texts(src), out, &stream.Options{CommitEvery: -1, CommitBytes: -2, Memory: -1, Shutdown: -1, Future: -1, Parallel: -1})
	for _, name := range []string{"CommitEvery", "CommitBytes", "Memory", "Shutdown", "Future", "Parallel"} {
		if err == nil || !strings.Contains(err.Error(), "Options."+name) {
			t.Errorf("%v says nothing of %s", err, name)
		}
	}
}
