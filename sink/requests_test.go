package sink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

// A file costs three requests (begin, close, publish) beside its bytes, and a commit two, one of them the ledger's entry.
// Maintain adds a look at the ledger once a minute.
func TestRequestsOfFilesAndCommits(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	var mu sync.Mutex
	ops := map[sinktest.Op]int{}
	counted := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		mu.Lock()
		defer mu.Unlock()
		ops[c.Op]++
		return sinktest.Pass
	})
	now := noon
	e := env.Default()
	e.Now = func() time.Time { return now }
	ctx := env.With(t.Context(), e)
	out, err := sink.Open(ctx, counted, "job", []sink.Flow[row]{rowsFlow("rows"), oddFlow("odd")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Seal(quarter)
	if err := out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}}); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	in.acquire("a")
	in.maintain("a")
	clear(ops)
	const commits = 50
	for i := range commits {
		in.write("a", noon, 2*i, 2*i+1)
		in.commit()
		for range 12 { // every 5 seconds
			now = now.Add(5 * time.Second)
			in.maintain("a")
		}
	}
	delete(ops, sinktest.OpWrite)
	most := map[sinktest.Op]int{ // and one create for the acquisition
		sinktest.OpStage: 2 * commits, sinktest.OpClose: 2 * commits, sinktest.OpPublish: 2 * commits,
		sinktest.OpCreate: 2*commits + 1, sinktest.OpRead: 2 * commits, sinktest.OpStaged: 2,
	}
	for op, n := range ops {
		if n > most[op] {
			t.Errorf("%d requests %s for %d commits of 2 files in %d minutes, want at most %d", n, op, commits, commits, most[op])
		}
	}
}

// Many instances on one folder, each in a goroutine, take lanes from each other without asking.
func TestInstancesThatFightForLanesWriteEachRowOnce(t *testing.T) {
	store, _ := memory(noon.Add(9 * time.Hour))
	const lanes, instances, records = 4, 4, 120
	var done sync.WaitGroup
	var fenced atomic.Int64
	for n := range instances {
		done.Go(func() { fight(t, store, uint64(n), lanes, records, &fenced) })
	}
	done.Wait()
	if fenced.Load() < 10 {
		t.Errorf("only %d transactions were void: this tests nothing", fenced.Load())
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(lanes*records)) {
		t.Errorf("%d rows, want %d different ones", len(got), lanes*records)
	}
	if got := listed(t, store); !slices.Equal(got, upTo(lanes*records)) {
		t.Errorf("%d rows in manifests, want %d different ones", len(got), lanes*records)
	}
}

// fight acquires some lanes, commits a little of them, and acquires others, until all lanes are at their end.
func fight(t *testing.T, store sink.Store, seed uint64, lanes int, records int64, fenced *atomic.Int64) {
	r := rand.New(rand.NewPCG(seed, 2))
	others := sinktest.NewFaulty(store, func(context.Context, sinktest.Call) sinktest.Mode {
		runtime.Gosched() // as many interleavings as there can be
		return sinktest.Pass
	})
	in, err := tryOpen(t, others, quarter, nil, rowsFlow("rows"))
	if err != nil {
		t.Error(err)
		return
	}
	all := make([]string, lanes)
	for i := range all {
		all[i] = fmt.Sprint("lane", i)
	}
	for {
		in.at = map[string]driver.Progress{}
		mine := slices.Clone(all)
		r.Shuffle(lanes, func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		if err := in.tryAcquire(mine[:1+r.IntN(lanes)]...); err != nil {
			t.Error(err)
			return
		}
		for range 1 + r.IntN(4) {
			for lane, pr := range in.at {
				n := min(int64(r.IntN(5)), records-pr.UpTo.Sub)
				id := slices.Index(all, lane) * int(records)
				for i := range n {
					at := noon.Add(time.Duration(pr.UpTo.Sub+i) * 3 * time.Minute)
					in.write(lane, at, id+int(pr.UpTo.Sub+i))
				}
			}
			err := in.tryCommit()
			if errors.Is(err, driver.ErrFenced) {
				fenced.Add(1)
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := in.tryMaintain(all...); err != nil {
				t.Error(err)
				return
			}
		}
		if finished(in, lanes, records) {
			return
		}
	}
}

func finished(in *instance, lanes int, records int64) bool {
	n := 0
	for _, pr := range in.at {
		if pr.UpTo.Sub == records {
			n++
		}
	}
	return n == lanes
}
