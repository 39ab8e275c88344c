package sink_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

func TestStateIsWhatInspectReads(t *testing.T) {
	store, _ := memory(noon)
	out, err := sink.Open(testContext(t), store, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, known := out.Explain(noon); out.State() != nil || known {
		t.Error("something is known before Attach")
	}
	seal.Hourly(out, nil)
	if err := out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 2, Instance: "pod-7"}); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	in.acquire("a", "b")
	in.write("a", noon, 1)
	in.write("b", noon, 2)
	in.commit()
	got := out.State()
	want, err := sink.Inspect(testContext(t), store, "job", nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	if len(got.Partitions) != 2 || got.Partitions[part("a")].Holder != "pod-7" {
		t.Errorf("got %+v", got.Partitions)
	}
	if out.State() != got {
		t.Error("it is made anew though nothing has happened")
	}
	list, known := out.Explain(noon)
	if !known || len(list) != 3 || list[0].Kind != sink.BlockedByClock || list[1].Kind != sink.BlockedByPartition {
		t.Errorf("the hour waits for %v, %v", list, known)
	}
}

// A page that shows how a job is stood still while the store did, which is when somebody looks.
func TestStateDoesNotWaitForTheStore(t *testing.T) {
	memory, _ := memory(noon)
	reached, goOn := make(chan bool), make(chan bool)
	waits := false // of the one goroutine that uses the store
	store := sinktest.NewFaulty(memory, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if waits && strings.Contains(c.Key, "/e0001/s0000/") {
			waits = false
			reached <- true
			<-goOn
		}
		return sinktest.Pass
	})
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	before := in.out.State()
	in.write("a", noon, 2)
	waits = true
	over := make(chan bool)
	go func() {
		in.commit()
		close(over)
	}()
	<-reached
	if got := in.out.State(); got == nil || got != before {
		t.Errorf("meanwhile it is %+v, want what was known", got)
	}
	if _, known := in.out.Explain(noon); known {
		t.Error("the ledger is looked at while it is appended to")
	}
	close(goOn)
	<-over
	if got := in.out.State(); got.Entry <= before.Entry {
		t.Errorf("afterwards it is at entry %d, as before", got.Entry)
	}
}
