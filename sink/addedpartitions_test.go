package sink_test

import (
	"errors"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream/driver"
)

// A topic that got partitions between two runs of a job with a join or a local store of IDs once was read on: keys had moved
// to other lanes, so copies and pairs across the change went unnoticed, and nothing said so.
func TestPartitionsAddedBetweenRunsAreRefused(t *testing.T) {
	store, _ := memory(noon)
	attach := func(stage string, accept bool, partitions int) error {
		out, err := sink.Open(testContext(t), store, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		job := driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, LaneLocal: stage, KeysInLanes: accept}
		if stage != "" {
			job.Logs = []driver.LogSize{{Source: "hits", Epoch: "x", Partitions: partitions}, {Source: "other", Epoch: "y", Partitions: 2}}
		}
		return out.Attach(testContext(t), job)
	}
	for _, c := range []struct {
		what       string
		stage      string
		accept     bool
		partitions int
		was        int // that the error says; 0 is no error
	}{
		{"a job without such a stage", "", false, 3, 0},
		{"the first with one", "join", false, 4, 0},
		{"again", "join", false, 4, 0},
		{"an instance that is behind", "join", false, 3, 0},
		{"after two were added", "join", false, 6, 4},
		{"accepted", "join", true, 6, 0},
		{"after that", "dedup", false, 6, 0},
		{"after one more was added", "dedup", false, 7, 6},
	} {
		err := attach(c.stage, c.accept, c.partitions)
		var added *driver.AddedPartitionsError
		switch {
		case c.was == 0 && err != nil:
			t.Errorf("%s: got %v, want none", c.what, err)
		case c.was > 0 && !errors.As(err, &added):
			t.Errorf("%s: got %v, want an AddedPartitionsError", c.what, err)
		case c.was > 0 && (added.Stage != c.stage || added.Was != c.was || added.Log != driver.LogSize{Source: "hits", Epoch: "x", Partitions: c.partitions}):
			t.Errorf("%s: got %+v", c.what, added)
		}
	}
	state, err := sink.Inspect(testContext(t), store, "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := sink.LogState{Source: "hits", Epoch: "x", Partitions: 6}
	if c := state; len(c.Logs) != 2 || c.Logs[0] != want || c.Generation != 1 {
		t.Errorf("the ledger knows %+v, want %+v among two", c, want)
	}
}
