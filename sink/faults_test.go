package sink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// input is what the lanes of the fault tests give, by position: IDs are unique, times cross two hours.
var input = map[string][]record.Event[row]{
	"a": events(10, 0, 20, 50, 70, 90, 130, 196),
	"b": events(20, 5, 30, 45, 65, 100, 140, 200),
}

func events(id int, minutes ...int) (out []record.Event[row]) {
	for i, m := range minutes {
		out = append(out, record.Event[row]{Value: row{ID: id + i}, Time: noon.Add(time.Duration(m) * time.Minute)})
	}
	return out
}

// stepping is an environment without pauses or goroutines, whose clock goes on by a minute at each look. A process that
// has crashed does not wait for another try.
func stepping(seed uint64, store sink.Store) *env.Env {
	r := rand.New(rand.NewPCG(seed, 1))
	now := noon
	return &env.Env{
		Rand:     r.Uint64,
		Parallel: 1,
		Sleep: func(ctx context.Context, _ time.Duration) error {
			if f, ok := store.(*sinktest.Faulty); ok && f.Crashed() {
				return context.Canceled
			}
			return ctx.Err()
		},
		Now: func() time.Time {
			now = now.Add(time.Minute)
			return now
		},
	}
}

// process runs the job until it ends or a call fails for good, as the engine would: two records of each lane in each
// transaction, one transaction ahead of the last commit.
func process(t *testing.T, store sink.Store, seed uint64) error {
	return processAll(t, store, seed, input)
}

func processAll(t *testing.T, store sink.Store, seed uint64, input map[string][]record.Event[row]) error {
	ctx := env.With(t.Context(), stepping(seed, store))
	out, err := sink.Open(ctx, store, "job", []sink.Flow[row]{rowsFlow("rows"), oddFlow("odd")}, nil)
	if err != nil {
		return err
	}
	out.Seal(&sink.SealOptions{Lateness: 15 * time.Minute})
	if err := out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1}); err != nil {
		return err
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	if err := in.tryAcquire("a", "b"); err != nil {
		return err
	}
	for {
		more := false
		for _, lane := range []string{"a", "b"} {
			rest := input[lane][in.at[lane].UpTo.Sub:]
			n := min(2, len(rest))
			if _, err := in.tryEvents(lane, rest[:n]...); err != nil {
				return err
			}
			more = more || n < len(rest)
		}
		if err := in.tryCommit(); errors.Is(err, driver.ErrFenced) {
			if err := in.tryAcquire("a", "b"); err != nil {
				return err
			}
			continue
		} else if err != nil {
			return err
		}
		up, err := in.tryMaintain("a", "b")
		if err != nil {
			return err
		}
		for !more && !up.Settled {
			if up, err = in.tryMaintain("a", "b"); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func oddFlow(name string) sink.Flow[row] {
	f := rowsFlow(name)
	f.Where = func(r *row) bool { return r.ID%2 == 1 }
	return f
}

// verify checks what a finished job must have left, whatever happened to it.
func verify(t *testing.T, store sink.Store, context string) {
	t.Helper()
	var all, odd []int
	for _, evs := range input {
		for _, e := range evs {
			if all = append(all, e.Value.ID); e.Value.ID%2 == 1 {
				odd = append(odd, e.Value.ID)
			}
		}
	}
	slices.Sort(all)
	slices.Sort(odd)
	if got := visible(t, store, "rows/"); !slices.Equal(got, all) {
		t.Errorf("%s: rows %v, want %v", context, got, all)
	}
	if got := visible(t, store, "odd/"); !slices.Equal(got, odd) {
		t.Errorf("%s: odd rows %v, want %v", context, got, odd)
	}
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12", "hour=13", "hour=14"}) {
		t.Errorf("%s: sealed %v, want 12 to 14", context, got)
	}
	if got := listed(t, store); !slices.Equal(got, all) {
		t.Errorf("%s: rows of the manifests %v, want %v", context, got, all)
	}
}

// listed returns the IDs of the rows in the files of flow rows that the manifests list.
func listed(t *testing.T, store sink.Store) (ids []int) {
	t.Helper()
	for m, err := range sink.Committed(testContext(t), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files {
			if f.Flow != "rows" {
				continue
			}
			body, err := store.Read(t.Context(), f.Key, 1<<20)
			if err != nil {
				t.Fatalf("a file of manifest %d: %v", m.Entry, err)
			}
			ids = append(ids, rowIDs(t, f.Key, body)...)
		}
	}
	slices.Sort(ids)
	return ids
}

var modes = []struct {
	sinktest.Mode
	delay int // of ApplyLate; -1 is the very end
}{
	{sinktest.Refuse, 0}, {sinktest.ApplyThenFail, 0}, {sinktest.ApplyThenExist, 0}, {sinktest.Crash, 0}, {sinktest.ApplyThenCrash, 0},
	{sinktest.ApplyLate, 1}, {sinktest.ApplyLate, 7}, {sinktest.ApplyLate, -1},
}

func TestAnyFaultAtAnyCallLeavesEachRowOnce(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 5 // each mode tries others
	}
	for i, mode := range modes {
		for k := i % step; ; k += step {
			mem, _ := memory(noon.Add(5 * time.Hour))
			faulty := sinktest.FailAt(mem, k, mode.Mode)
			faulty.Delay = mode.delay
			err := process(t, faulty, 1)
			calls := faulty.Calls()
			faulty.Revive()
			for try := uint64(2); err != nil; try++ {
				if try > 4 {
					t.Fatalf("%s at call %d: still failing: %v", mode, k, err)
				}
				err = process(t, faulty, try)
			}
			faulty.Land(-1)
			what := fmt.Sprintf("%s at call %d", mode.Mode, k)
			verify(t, mem, what)
			swept(t, mem, what)
			if t.Failed() || k >= calls {
				break
			}
		}
	}
}

func TestASecondCrashDuringRecoveryLeavesEachRowOnce(t *testing.T) {
	for _, mode := range []sinktest.Mode{sinktest.Crash, sinktest.ApplyThenCrash} {
		for k := 0; ; k++ {
			first, _ := memory(noon.Add(5 * time.Hour))
			faulty := sinktest.FailAt(first, k, mode)
			if process(t, faulty, 1) == nil {
				break
			}
			step := 17 // all j are tried, each with some k
			switch {
			case os.Getenv("ONCEFLOW_EXHAUSTIVE") != "":
				step = 1
			case testing.Short():
				step = 101
			}
			for j := k % step; ; j += step {
				mem := first.Clone()
				again := sinktest.FailAt(mem, j, mode)
				err := process(t, again, 2)
				if err != nil {
					again.Revive()
					if err := process(t, again, 3); err != nil {
						t.Fatalf("%s at calls %d and %d: %v", mode, k, j, err)
					}
				}
				verify(t, mem, fmt.Sprintf("%s at calls %d and %d", mode, k, j))
				if t.Failed() {
					return
				}
				if err == nil {
					break
				}
			}
		}
	}
}

func TestStagingThatNobodyCanCommitIsSwept(t *testing.T) {
	mem, _ := memory(noon.Add(5 * time.Hour))
	faulty := sinktest.NewFaulty(mem, nil)
	faulty.Before = func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpClose && c.Key[:3] == "odd" {
			return sinktest.Crash
		}
		return sinktest.Pass
	}
	if err := process(t, faulty, 1); !errors.Is(err, sinktest.ErrCrashed) {
		t.Fatalf("process: %v, want a crash", err)
	}
	if n := staged(t, mem); n == 0 {
		t.Fatal("the crash left no staging, so this tests nothing")
	}
	if err := process(t, mem, 2); err != nil {
		t.Fatal(err)
	}
	if err := process(t, mem, 3); err != nil { // sweeps when it starts
		t.Fatal(err)
	}
	if n := staged(t, mem); n != 0 {
		t.Errorf("%d staged files are left", n)
	}
	verify(t, mem, "after the sweep")
}

// What other programs upload beside a job is neither deleted nor asked for: each of thousands of uploads of pictures once cost a
// read of an owner that cannot be there.
func TestUploadsOfOtherProgramsAreLeftAlone(t *testing.T) {
	mem, _ := memory(noon.Add(5 * time.Hour))
	for _, owner := range []string{"photo", "0", "00000000001", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "0000000000ffffffffffffffff"} {
		if _, err := mem.Stage(t.Context(), "odd/"+owner+"-1.jpg", owner, 0); err != nil {
			t.Fatal(err)
		}
	}
	before := staged(t, mem)
	asked := 0
	store := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpRead && strings.Contains(c.Key, "/owners/") {
			asked++
		}
		return sinktest.Pass
	})
	for seed := range uint64(2) {
		if err := process(t, store, 1+seed); err != nil {
			t.Fatal(err)
		}
	}
	if n := staged(t, mem); n != before || before == 0 {
		t.Errorf("%d files are staged, want the %d of others", n, before)
	}
	if asked > 0 {
		t.Errorf("%d owners were read", asked)
	}
}

// swept checks that all staging goes once another process has committed in all lanes, but for a probe whose process died.
func swept(t *testing.T, store sink.Store, context string) {
	t.Helper()
	more := map[string][]record.Event[row]{
		"a": append(slices.Clip(input["a"]), events(31, 210)...), "b": append(slices.Clip(input["b"]), events(32, 210)...),
	}
	for seed := range uint64(2) {
		if err := processAll(t, store, 8+seed, more); err != nil {
			t.Fatalf("%s: another run: %v", context, err)
		}
	}
	for s, err := range store.Staged(t.Context()) {
		if err != nil || !strings.Contains(s.Key, "/probe/") {
			t.Errorf("%s: staging is left: %v, %v", context, s, err)
		}
	}
}

func staged(t *testing.T, store sink.Store) (n int) {
	t.Helper()
	for _, err := range store.Staged(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestARunOverAFinishedFolderWritesNothing(t *testing.T) {
	mem, _ := memory(noon.Add(5 * time.Hour))
	if err := process(t, mem, 1); err != nil {
		t.Fatal(err)
	}
	before := keys(t, mem, "")
	if err := process(t, mem, 2); err != nil {
		t.Fatal(err)
	}
	after := keys(t, mem, "")
	after = slices.DeleteFunc(after, func(k string) bool { return slices.Contains(before, k) })
	if len(after) > 0 {
		t.Errorf("it wrote %s", after)
	}
}
