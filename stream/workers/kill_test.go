package workers_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/workers"
)

// errKilled ends what is left of a process that was killed at once.
var errKilled = fmt.Errorf("killed: %w", driver.ErrStop)

// visit is a record of the tests below: a user, and the place in the log of the lane.
type visit struct {
	user string
	n    int
}

// at is an event time in a bubble of synctest.
func (v *visit) at() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, v.n, time.UTC) }

func parseVisit(r *stream.Record) (visit, error) {
	user, n, _ := strings.Cut(string(r.Value), " ")
	i, err := strconv.Atoi(n)
	return visit{user, i}, err
}

// moody makes tasks that take 1 ms to 2 s. Four of ten records fail once, so three of ten do without those whose failure comes
// after a kill. Half of them answer before they return.
type moody struct {
	mu     sync.Mutex
	rng    *rand.Rand
	failed map[visit]bool
	gaps   []time.Duration // from the end of one record to the start of the next that waits
}

func (m *moody) open(workers.Subpartition) (workers.Task[visit, visit], error) {
	return &moodyTask{m: m}, nil
}

// draw says how long a record takes, whether it fails, and whether it is answered at once.
func (m *moody) draw(v visit) (d time.Duration, fails, now bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d = time.Millisecond + time.Duration(m.rng.Int64N(int64(2*time.Second)))
	if fails = !m.failed[v] && m.rng.IntN(10) < 4; fails {
		m.failed[v] = true
	}
	return d, fails, m.rng.IntN(2) == 0
}

type moodyTask struct {
	m     *moody
	ended atomic.Int64 // when the last record was answered, in nanoseconds; 0 if the next one has been seen
}

func (t *moodyTask) Process(ctx context.Context, e record.Event[visit], r workers.Reply[visit]) {
	if ended := t.ended.Swap(0); ended != 0 {
		t.m.mu.Lock()
		t.m.gaps = append(t.m.gaps, time.Duration(time.Now().UnixNano()-ended))
		t.m.mu.Unlock()
	}
	d, fails, now := t.m.draw(e.Value)
	answer := func() {
		if fails {
			r.Fail(errors.New("in a bad mood"))
			return
		}
		t.ended.Store(time.Now().UnixNano())
		r.Done(e.Value)
	}
	if !now {
		time.AfterFunc(d, answer)
		return
	}
	select {
	case <-time.After(d):
		answer()
	case <-ctx.Done():
		r.Fail(ctx.Err())
	}
}

// killed runs a job that is killed up to so many times, at random moments, until it ends. rebalance is called at other moments.
func killed(t *testing.T, seed uint64, kills int, ledger *streamtest.Ledger[visit], open func() driver.Source, rebalance func(src driver.Source, lane int)) (gaps []time.Duration, st workers.Status) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	m := &moody{rng: rand.New(rand.NewPCG(seed, 4)), failed: map[visit]bool{}}
	for life := 0; ; life++ {
		var dead atomic.Bool
		out := ledger.Output()
		out.Hook = func(string) error {
			if dead.Load() {
				return errKilled
			}
			return nil
		}
		out.Done = out.Hook
		src := open()
		w := workers.New(m.open, workers.ByKey(8, func(v *visit) string { return v.user }), &workers.Options{Parallel: 32, Queue: 400})
		ctx, cancel := context.WithCancel(t.Context())
		if life < kills {
			stops := rng.IntN(2) == 0
			time.AfterFunc(time.Duration(rng.Int64N(int64(6*time.Second))), func() {
				if dead.Store(true); stops {
					cancel() // nothing more is committed
				}
			})
			if rebalance != nil {
				lane := rng.IntN(2)
				time.AfterFunc(time.Duration(rng.Int64N(int64(4*time.Second))), func() { rebalance(src, lane) })
			}
		}
		visits := stream.Via(stream.From(src), stream.Decode(parseVisit, (*visit).at))
		err := stream.Run(ctx, stream.Via(visits, w), out, &stream.Options{CommitEvery: time.Second, Parallel: 2})
		cancel()
		if s := w.Status(); len(s.Subpartitions) > 0 {
			t.Errorf("%d sub-partitions are left over", len(s.Subpartitions))
		}
		st.AnsweredAfterClose += w.Status().AnsweredAfterClose
		st.Failures += w.Status().Failures
		if !dead.Load() {
			if err != nil {
				t.Fatalf("life %d ends with %v", life, err)
			}
			return m.gaps, st
		}
	}
}

// each checks that each of so many records of each lane is there once, and those of a sub-partition in order.
func each(t *testing.T, ledger *streamtest.Ledger[visit], want map[string]int) {
	t.Helper()
	type part struct {
		lane string
		user string
	}
	seen, last := map[string]map[int]bool{}, map[part]int{}
	for _, row := range ledger.Rows() {
		if seen[row.Lane] == nil {
			seen[row.Lane] = map[int]bool{}
		}
		if seen[row.Lane][row.Value.n] {
			t.Errorf("lane %s, record %d is written twice", row.Lane, row.Value.n)
		}
		seen[row.Lane][row.Value.n] = true
		p := part{row.Lane, row.Value.user}
		if before := last[p]; row.Value.n < before {
			t.Errorf("lane %s, user %s: record %d was written behind %d", p.lane, p.user, row.Value.n, before)
		}
		last[p] = row.Value.n
	}
	got := map[string]int{}
	for lane, ns := range seen {
		got[lane] = len(ns)
	}
	if !maps.Equal(got, want) {
		t.Errorf("records by lane %v, want %v", got, want)
	}
	if late, dead := len(ledger.Late()), len(ledger.Dead()); late+dead > 0 {
		t.Errorf("%d late rows and %d dead letters, want none", late, dead)
	}
}

func TestEachRecordOnceAndInOrderOverKillsAndRebalances(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			const n = 1500
			log, ledger := streamtest.NewLog(1, 1), streamtest.NewLedger[visit](t)
			ledger.Lateness = -1
			for i := range n {
				for lane := range 2 {
					log.Append(lane, 0, t0, fmt.Sprintf("u%d %d", (i*7+lane)%23, i+1))
				}
			}
			log.EndAll()
			rebalance := func(s driver.Source, i int) {
				src, lane := s.(*streamtest.Source), log.Lanes()[i]
				src.Revoke(time.Now().Add(time.Minute), lane)
				src.Assign(lane)
			}
			gaps, st := killed(t, seed, 50, ledger, func() driver.Source { return log.Source(&streamtest.SourceOptions{Batch: 40}) }, rebalance)
			lanes := log.Lanes()
			each(t, ledger, map[string]int{lanes[0]: n, lanes[1]: n})
			slices.Sort(gaps)
			if len(gaps) < 1000 || gaps[len(gaps)*99/100] > 50*time.Millisecond {
				t.Errorf("of %d records 99 of 100 were started within %v of the end of the one before, want 50 ms", len(gaps), gaps[len(gaps)*99/100])
			}
			if st.AnsweredAfterClose == 0 || st.Failures < n*2*3/10 {
				t.Errorf("%d answers after close and %d failures: the test tries nothing", st.AnsweredAfterClose, st.Failures)
			}
		})
	}
}

func TestEachRecordOnceOverKillsWhileFilesAreRead(t *testing.T) {
	dir, want := t.TempDir(), map[string]int{}
	for _, name := range []string{"a", "b", "c"} {
		var text strings.Builder
		for i := range 300 {
			fmt.Fprintf(&text, "u%d %d\n", i*5%11, i+1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		want[name] = 300
	}
	synctest.Test(t, func(t *testing.T) {
		ledger := streamtest.NewLedger[visit](t)
		ledger.Lateness = -1
		open := func() driver.Source {
			src, err := file.Open(file.Config{Dir: dir, Format: file.Lines{}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			return src
		}
		killed(t, 1, 20, ledger, open, nil)
		got := map[string]int{}
		for lane := range want {
			for _, row := range ledger.Rows() {
				if strings.HasSuffix(row.Lane, lane) {
					got[row.Lane]++
				}
			}
		}
		each(t, ledger, got)
		if len(got) != 3 {
			t.Errorf("%d lanes, want one for each file: %v", len(got), got)
		}
		for lane, n := range got {
			if n != 300 {
				t.Errorf("lane %s has %d rows, want 300", lane, n)
			}
		}
	})
}
