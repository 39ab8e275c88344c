package stream_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestRevokedLanesAreCommittedBeforeTheyAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src := log.Source(nil)
		j := startJob(t, src, ledger.Output(), often, pairing{forever})
		log.Append(0, 0, t0, "06:00 a1", "06:01 b1", "06:02 b2")
		log.Append(1, 0, t0, "06:00 c1")
		synctest.Wait()
		polled := src.Polled
		src.Revoke(time.Now().Add(5*time.Second), "lane-0")
		synctest.Wait()
		if src.Polled == polled {
			t.Fatal("the source was not polled again")
		}
		wantWords(t, ledger, "b1+b2")
		if g := ledger.Progress(log.Partition(0, 0)); g.UpTo.Sub != 3 || g.Pending.Len() != 1 {
			t.Errorf("the lane was given up at %+v, want all 3 read and one pending", g)
		}
		// The next owner goes on; nothing but the pending record is read again.
		next := startJob(t, log.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0"}}), ledger.Output(), often, pairing{forever})
		log.Append(0, 0, t0, "06:03 a2")
		log.Append(1, 0, t0, "06:03 c2")
		synctest.Wait()
		next.mustStop()
		j.mustStop()
		wantWords(t, ledger, "a1+a2", "b1+b2", "c1+c2")
		if got := next.now().Read; got != 1 {
			t.Errorf("the next owner read %d records, want 1", got)
		}
		if !strings.Contains(j.logged(), `msg=rebalance instance=me assigned=[] revoked=[lane-0]`) {
			t.Errorf("no line about the rebalance in\n%s", j.logged())
		}
	})
}

// The lane that is taken away waits in a stage, with a full queue and paused. It is given up at the deadline all the same,
// and its next owner reads everything once.
func TestAPausedLaneIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		src := log.Source(&streamtest.SourceOptions{Batch: 1})
		stage := newBlocking()
		for i := range 40 {
			log.Append(0, 0, t0, big(fmt.Sprint("a", i), 100_000))
		}
		opts := often
		opts.Memory = 8 << 20
		j := startJob(t, src, ledger.Output(), opts, stage)
		if got := src.Paused(); !slices.Equal(got, []string{"lane-0"}) {
			t.Fatalf("%v are paused, want [lane-0]", got)
		}
		polled := src.Polled
		src.Revoke(time.Now().Add(5*time.Second), "lane-0")
		elapse(6 * time.Second)
		if src.Polled == polled {
			t.Error("the source was not polled again by the deadline")
		}
		next := startJob(t, log.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0"}}), ledger.Output(), often)
		elapse(2 * every)
		if got := len(ledger.Rows()); got != 40 {
			t.Errorf("the next owner wrote %d rows while the first one hung, want 40", got)
		}
		go func() {
			for range stage.entered { // the first owner wakes up
			}
		}()
		close(stage.gate)
		elapse(2 * every)
		next.mustStop()
		j.mustStop()
		if got := len(ledger.Rows()); got != 40 {
			t.Errorf("%d rows, want 40", got)
		}
		close(stage.entered)
	})
}

func TestALaneThatIsAssignedLaterJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src := log.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0"}})
		j := startJob(t, src, ledger.Output(), often)
		log.Append(0, 0, t0, "06:00 a")
		log.Append(1, 0, t0, "06:00 b")
		elapse(2 * every)
		wantWords(t, ledger, "a")
		src.Assign("lane-1")
		elapse(2 * every)
		j.mustStop()
		wantWords(t, ledger, "a", "b")
	})
}

// The commit that a revocation waits for hangs. The lane is given up in time, and the others go on from the ledger.
func TestARevocationDoesNotWaitBeyondItsDeadline(t *testing.T) {
	for _, applied := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			log, ledger := streamtest.NewLog(1, 1), newLedger(t)
			src, out := log.Source(nil), ledger.Output()
			var hang atomic.Bool
			stuck := func(op string) error {
				if op == "commit" && hang.Load() {
					elapse(time.Hour) // longer than anybody waits
					return errors.New("no answer")
				}
				return nil
			}
			if applied {
				out.Done = stuck
			} else {
				out.Hook = stuck
			}
			j := startJob(t, src, out, often)
			log.Append(0, 0, t0, "06:00 a")
			log.Append(1, 0, t0, "06:00 b")
			synctest.Wait()
			hang.Store(true)
			began := time.Now()
			src.Revoke(began.Add(3*time.Second), "lane-0")
			elapse(4 * time.Second)
			hang.Store(false)
			elapse(2 * time.Hour)
			log.Append(1, 0, t0, "06:01 c")
			elapse(2 * every)
			j.mustStop()
			want := []string{"b", "c"}
			if applied {
				want = append(want, "a")
			}
			wantWords(t, ledger, want...)
		})
	}
}

// Instances come and go, partitions move, and everything ends with each record counted once.
func TestARebalanceStormLosesAndDoublesNothing(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { storm(t, seed) })
		})
	}
}

func storm(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	const lanes, instances = 4, 3
	log, ledger := streamtest.NewLog(1, 2, 1, 2), newLedger(t)
	var srcs [instances]*streamtest.Source
	var jobs [instances]*job
	owner, settled := [lanes]int{}, [lanes]time.Time{}
	for i := range instances {
		srcs[i] = log.Source(&streamtest.SourceOptions{Lanes: []string{}})
		jobs[i] = startJob(t, srcs[i], ledger.Output(), stream.Options{CommitEvery: time.Second, Parallel: 2}, pairing{forever})
	}
	for i := range owner {
		owner[i] = i % instances
		srcs[owner[i]].Assign(fmt.Sprintf("lane-%d", i))
	}
	var want []string
	n := 0
	for range 60 {
		lane := rng.IntN(lanes)
		for range rng.IntN(4) {
			n++
			parts := []int{1, 2, 1, 2}[lane]
			log.Append(lane, rng.IntN(parts), t0, fmt.Sprintf("06:%02d p%d.1", n%60, n))
			if rng.IntN(2) == 0 {
				log.Append(lane, rng.IntN(parts), t0, fmt.Sprintf("06:%02d p%d.2", n%60, n))
				want = append(want, fmt.Sprintf("p%d.1+p%d.2", n, n))
			}
		}
		move := rng.IntN(lanes)
		name, to := fmt.Sprintf("lane-%d", move), rng.IntN(instances)
		if to != owner[move] && time.Now().After(settled[move]) {
			from := srcs[owner[move]]
			if rng.IntN(3) > 0 {
				from.Revoke(time.Now().Add(time.Second), name)
				synctest.Wait()
			} else { // the old owner is a zombie for a while: both have it
				wait := time.Duration(rng.IntN(3000)) * time.Millisecond
				settled[move] = time.Now().Add(wait + time.Second)
				go func() {
					elapse(wait)
					from.Revoke(time.Now().Add(-time.Second), name)
				}()
			}
			srcs[to].Assign(name)
			owner[move] = to
		}
		elapse(time.Duration(rng.IntN(1500)) * time.Millisecond)
	}
	elapse(time.Minute)
	for _, j := range jobs {
		j.mustStop()
	}
	wantWords(t, ledger, want...)
	if c := ledger.Counts(); c[record.Merged] != c[record.Written] {
		t.Errorf("got fates %v, want as many merged as written", c)
	}
}

// A lane moves while the others are being acquired again because of a fence.
func TestARebalanceDuringARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1, 1), newLedger(t)
		src := log.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0", "lane-1"}})
		out := ledger.Output()
		var moved atomic.Bool
		out.Hook = func(op string) error {
			if op == "commit" && !moved.Swap(true) {
				src.Revoke(time.Time{}, "lane-1") // known to the source only
				src.Assign("lane-2")
			}
			return nil
		}
		j := startJob(t, src, out, often)
		for i := range 3 {
			log.Append(i, 0, t0, fmt.Sprintf("06:00 %c", 'a'+i))
		}
		ledger.Take("lane-0")
		elapse(5 * every)
		j.mustStop()
		got := words(ledger.Rows())
		if !slices.Contains(got, "a") || !slices.Contains(got, "c") || slices.Contains(got, "b") && len(got) != 3 {
			t.Errorf("got rows %v, want a and c, and b at most once", got)
		}
	})
}

// A source that has lost records stops the job: nothing is skipped in silence.
func TestLostRecordsStopTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a1", "06:01 b", "06:02 c")
		startJob(t, log.Source(nil), ledger.Output(), often, pairing{forever}).mustStop()
		log.Trim(0, 0, 1) // a1 is pending
		j := startJob(t, log.Source(nil), ledger.Output(), often, pairing{forever})
		if err := <-j.ended; !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), "lane-0") {
			t.Errorf("got %v, want ErrLost with the lane's name", err)
		}
	})
}

func TestPipesThatCouldLoseRecordsAreRefused(t *testing.T) {
	src := streamtest.NewLog(1).Source(nil)
	out := streamtest.NewLedger[text](t).Output()
	for want, p := range map[string]stream.Pipe[text]{
		"no source":            {},
		"stand before":         stream.Via(stream.Via(texts(src), pairing{}), stage.Stage[text, text](first{passing})),
		"is compacted":         stream.Via(texts(compacted{src}), pairing{}),
		"that stage \"first\"": stream.Via(texts(compacted{src}), stage.Stage[text, text](first{passing})),
	} {
		if err := stream.Run(t.Context(), p, out, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
}

// first decides which record is first.
type first struct{ stage.Stage[text, text] }

func (first) Traits() stage.Traits { return stage.Traits{Name: "first", ClaimsFirst: true} }

type compacted struct{ driver.Source }

func (c compacted) Info() driver.SourceInfo {
	info := c.Source.Info()
	info.Compacted = info.Topics
	return info
}
