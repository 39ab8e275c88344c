package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// finishing is a source whose lanes end one by one.
type finishing struct {
	*streamtest.Source

	mu       sync.Mutex
	finished []string
}

func (f *finishing) Info() driver.SourceInfo {
	info := f.Source.Info()
	info.LanesEnd = true
	return info
}

func (f *finishing) Begin(context.Context, driver.Ledger) error                      { return nil }
func (f *finishing) Ack(context.Context, map[record.Partition]record.Position) error { return nil }
func (f *finishing) Acked(context.Context, []record.Partition) (map[record.Partition]record.Position, error) {
	return nil, nil
}

func (f *finishing) Finish(lanes []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished = append(f.finished, lanes...)
}

func (f *finishing) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(slices.Values(f.finished))
}

// releasing is an output that notes which lanes it was told to forget.
type releasing struct {
	*streamtest.Output[text]
	mu       sync.Mutex
	released []string
}

func (r *releasing) Release(ctx context.Context, lanes []string) error {
	r.mu.Lock()
	r.released = append(r.released, lanes...)
	r.mu.Unlock()
	return r.Output.Release(ctx, lanes)
}

// runFinishing runs a job over the lanes of a log in the background.
func runFinishing(t *testing.T, log *streamtest.Log, ledger *streamtest.Ledger[text], stages ...stage.Stage[text, text]) (*finishing, *releasing, func() error) {
	t.Helper()
	src, out := &finishing{Source: log.Source(nil)}, &releasing{Output: ledger.Output()}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	p := texts(src)
	for _, s := range stages {
		p = stream.Via(p, s)
	}
	opts := often
	go func() { ended <- stream.Run(ctx, p, out, &opts) }()
	synctest.Wait()
	return src, out, func() error { cancel(); return <-ended }
}

// A followed folder in which files end all the time once kept the stages and buffers of every one of them.
func TestALaneIsLetGoOnceItsEndIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1, 1), newLedger(t)
		opened, closed := 0, 0
		src, out, stop := runFinishing(t, log, ledger, counting{&opened, &closed})
		for i := range 3 {
			log.Append(i, 0, t0, fmt.Sprint("06:00 w", i))
		}
		log.End(0, 0)
		log.End(2, 0)
		synctest.Wait()
		if got := src.told(); len(got) > 0 {
			t.Errorf("%v are said to be over before their ends are committed", got)
		}
		elapse(3 * every)
		if got := src.told(); !slices.Equal(got, []string{"lane-0", "lane-2"}) {
			t.Errorf("the source was told that %v are over, want lane-0 and lane-2", got)
		}
		if slices.Sort(out.released); !slices.Equal(out.released, []string{"lane-0", "lane-2"}) || closed != 2 {
			t.Errorf("the output has forgotten %v and %d processors are closed, want lane-0, lane-2 and 2", out.released, closed)
		}
		log.Append(1, 0, t0, "06:01 more")
		elapse(2 * every)
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantWords(t, ledger, "w0", "w1", "w2", "more")
		if opened != 3 || closed != 3 {
			t.Errorf("%d processors opened, %d closed, want 3", opened, closed)
		}
	})
}

// What was read may be void, and then the lane must begin again.
func TestALaneIsKeptUntilItsEndIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		src, _, stop := runFinishing(t, log, ledger)
		log.Append(0, 0, t0, "06:00 a")
		log.End(0, 0)
		synctest.Wait()
		ledger.Take("lane-0")
		elapse(4 * every)
		if err := stop(); err != nil {
			t.Error(err)
		}
		wantWords(t, ledger, "a")
		if got := src.told(); !slices.Equal(got, []string{"lane-0"}) {
			t.Errorf("%v are said to be over, want lane-0, once its work was done again", got)
		}
	})
}

// For what was over before, nothing is opened: the next run over a folder of finished files once opened stages for all of them.
func TestNothingIsOpenedForALaneThatWasOverBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		log.End(0, 0)
		opened, closed := 0, 0
		_, _, stop := runFinishing(t, log, ledger)
		elapse(2 * every)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		src, out, stop := runFinishing(t, log, ledger, counting{&opened, &closed})
		if got := src.told(); !slices.Equal(got, []string{"lane-0"}) || opened != 1 {
			t.Errorf("%v are said to be over and %d processors opened, want lane-0 and 1", got, opened)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if slices.Sort(out.released); !slices.Equal(out.released, []string{"lane-0", "lane-1"}) {
			t.Errorf("released %v, want each lane once", out.released)
		}
	})
}

// Until their ends are committed lanes keep what they have, so thousands of small files are not left to the clock.
func TestManyEndsAreCommittedWithoutTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 4096
		lanes := make([]int, many+1) // the last one goes on
		for i := range lanes {
			lanes[i] = 1
		}
		log, ledger := streamtest.NewLog(lanes...), newLedger(t)
		src := &finishing{Source: log.Source(nil)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- stream.Run(ctx, texts(src), ledger.Output(), &stream.Options{CommitEvery: forever, Parallel: 1})
		}()
		for i := range many {
			log.End(i, 0)
		}
		elapse(every)
		if n := len(src.told()); n != many {
			t.Errorf("%d of %d lanes are let go of before the clock says so", n, many)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A source that was wrapped without its methods of driver.Follower once ran without the ledger: shards of a stream began
// although nobody knew which of their parents were read.
func TestASourceThatMustFollowIsRefusedIfItIsWrappedWithoutItsMethods(t *testing.T) {
	for name, change := range map[string]func(*driver.SourceInfo){
		"lanes end": func(i *driver.SourceInfo) { i.LanesEnd = true },
		"follows":   func(i *driver.SourceInfo) { i.Follows = true },
	} {
		src := &hiding{Source: streamtest.NewLog(1).Source(nil), change: change}
		if err := stream.Run(t.Context(), texts(src), newLedger(t).Output(), nil); err == nil || !strings.Contains(err.Error(), "driver.Follower") {
			t.Errorf("%s: got %v, want a word about driver.Follower", name, err)
		}
	}
}

// hiding is a source of whose methods only those of driver.Source are seen.
type hiding struct {
	driver.Source
	change func(*driver.SourceInfo)
}

func (h *hiding) Info() driver.SourceInfo {
	info := h.Source.Info()
	h.change(&info)
	return info
}
