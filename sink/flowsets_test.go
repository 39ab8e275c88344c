package sink_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// flowsSealed are the flows that have a seal of this name in an hour of the test's day, from the folders.
func flowsSealed(t *testing.T, store sink.Store, hour, name string) (flows []string) {
	t.Helper()
	for _, key := range keys(t, store, "") {
		if flow, ok := strings.CutSuffix(key, "/day=2025-05-01/hour="+hour+"/"+name); ok {
			flows = append(flows, flow)
		}
	}
	return flows
}

func wantFlows(t *testing.T, store sink.Store, hour, name string, want ...string) {
	t.Helper()
	if got := flowsSealed(t, store, hour, name); !slices.Equal(got, want) {
		t.Errorf("hour %s has the seal %s in %q, want %q", hour, name, got, want)
	}
}

// dyingCloser is a store whose process dies before it makes the seals of the Close that it has appended.
func dyingCloser(store sink.Store, dead context.CancelFunc) *sinktest.Faulty {
	return sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/hours/") {
			dead()
			return sinktest.Crash
		}
		return sinktest.Pass
	})
}

// A flow was renamed by a deploy. Of 29 hours 10 had rows in the folder of the flow that the closer did not know, and no
// seal there, though the hour's manifest listed them.
func TestAnHourSealsAllFlowsThatHaveFiles(t *testing.T) {
	store, _ := memory(noon.Add(9 * time.Hour))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	before := open(t, store, quarter, nil, rowsFlow("rows"), rowsFlow("old"))
	after := open(t, dyingCloser(store, cancel), quarter, nil, rowsFlow("rows"), rowsFlow("new"))
	before.acquire("a")
	after.acquire("b")
	before.write("a", noon, 1)
	after.write("b", noon.Add(time.Hour), 2)
	before.commit()
	after.commit()
	before.write("a", noon.Add(3*time.Hour), 3)
	after.write("b", noon.Add(3*time.Hour), 4)
	before.commit()
	after.commit()
	if _, err := after.out.Maintain(ctx, partsOf("a", "b")); err == nil {
		t.Fatal("the closer did not die, so this tests nothing")
	}
	third := open(t, store, quarter, nil, rowsFlow("rows"), rowsFlow("other"))
	third.maintain("a", "b")
	wantFlows(t, store, "12", "_SEALED", "new", "old", "rows") // old has rows
	wantFlows(t, store, "13", "_SEALED", "new", "rows")        // old has none, and the Close is of after's version
	m, err := sink.Sealed(testContext(t), store, "job", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(m.Flows)); !slices.Equal(got, []string{"new", "old", "rows"}) {
		t.Errorf("the manifest of hour 12 has the flows %q, want those that are sealed", got)
	}

	before.acquire("a") // the old version is the last to run
	before.seen("a", noon.Add(6*time.Hour))
	before.commit()
	third.acquire("b")
	third.write("b", noon.Add(4*time.Hour), 5)
	third.seen("b", noon.Add(6*time.Hour))
	third.commit()
	for range 3 { // minutes, so that it publishes what third has only just committed
		before.maintain("a", "b")
	}
	wantFlows(t, store, "15", "_SEALED", "new", "old", "rows") // rows of two versions, closed by a third
	wantFlows(t, store, "16", "_SEALED", "old", "other", "rows")
}

// Versions with other names of the seal may seal for each other: the Close says what it is to be.
func TestSealsAreMadeAsTheCloseSays(t *testing.T) {
	store, _ := memory(noon.Add(9 * time.Hour))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	done := &sink.SealOptions{Name: "_DONE", Lateness: quarter.Lateness}
	after := open(t, dyingCloser(store, cancel), done, nil, rowsFlow("rows"))
	after.acquire("a")
	after.write("a", noon, 1)
	after.write("a", noon.Add(2*time.Hour), 2)
	after.commit()
	if _, err := after.out.Maintain(ctx, partsOf("a")); err == nil {
		t.Fatal("the closer did not die, so this tests nothing")
	}
	before := open(t, store, quarter, nil, rowsFlow("rows"))
	before.maintain("a")
	wantFlows(t, store, "12", "_DONE", "rows")
	wantFlows(t, store, "12", "_SEALED")
}
