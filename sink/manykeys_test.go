package sink_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// counter is a Store that keeps nothing of files but their number, so that what is in memory is ours.
type counter struct {
	*sinktest.Memory
	staged, published, listed atomic.Int64
}

func (c *counter) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	if strings.Contains(key, "/probe/") {
		return c.Memory.Stage(ctx, key, owner, most)
	}
	c.staged.Add(1)
	return nothing{}, nil
}

func (c *counter) Publish(ctx context.Context, ref []byte) error {
	if !bytes.Equal(ref, s3Ref) {
		return c.Memory.Publish(ctx, ref)
	}
	c.published.Add(1)
	return nil
}

// Create keeps no blob and no manifest: nobody reads them here.
func (c *counter) Create(ctx context.Context, key string, body []byte) error {
	if len(body) > 1<<20 {
		c.listed.Add(int64(len(body)))
		return nil
	}
	return c.Memory.Create(ctx, key, body)
}

// s3Ref is as long as what S3 needs to complete an upload of one part.
var s3Ref = bytes.Repeat([]byte{'r'}, 600)

type nothing struct{}

func (nothing) Write(p []byte) (int, error)           { return len(p), nil }
func (nothing) Close(context.Context) ([]byte, error) { return s3Ref, nil }
func (nothing) Abort(context.Context) error           { return nil }

// A key with 100,000 values makes as many files in one transaction. Their names took 150 MB which nobody counted, so that
// a job over its limit did not commit early; they stayed in memory for the whole next transaction; and on S3 their list was
// longer than a blob might be, so that the job could not go on.
func TestAHundredThousandKeyValuesAreCountedAndForgotten(t *testing.T) {
	values := 100_000
	if testing.Short() {
		values /= 10
	}
	mem, _ := memory(noon)
	store := &counter{Memory: mem}
	flow := rowsFlow("rows")
	flow.Keys = []sink.Key[row]{{Name: "id", Value: func(r *row) string { return fmt.Sprint(r.ID) }}}
	out, err := sink.Open(testContext(t), store, "job", []sink.Flow[row]{flow}, nil)
	if err != nil {
		t.Fatal(err)
	}
	budget := driver.NewBudget(1 << 30)
	if err := out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1, Budget: budget}); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	in.acquire("a")
	heap := func() int64 {
		runtime.GC() // and again, to empty pools
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	rows := make([]record.Event[row], 1000)
	for i := range values / len(rows) {
		for j := range rows {
			rows[j] = record.Event[row]{Value: row{ID: i*len(rows) + j}, Time: noon}
		}
		if _, err := in.tryEvents("a", rows...); err != nil {
			t.Fatal(err)
		}
	}
	if used, is := budget.Used(), heap()-before; used < is || used > 5*is {
		t.Errorf("%d bytes are in memory, %d are counted", is, used)
	}
	in.commit()
	if used := budget.Used(); used != 0 {
		t.Errorf("after the commit %d bytes are counted", used)
	}
	in.write("a", noon, values) // the next transaction, which knows the last one
	if is := heap() - before; is > 16<<20 {
		t.Errorf("after the commit %d bytes are in memory", is)
	}
	if staged, published := store.staged.Load(), store.published.Load(); staged != int64(values) || published != int64(values) {
		t.Errorf("%d files were staged and %d published, want %d", staged, published, values)
	}
	if listed := store.listed.Load(); listed < int64(values)*1000 {
		t.Errorf("the list of files and the manifest have %d bytes, want to try long ones", listed)
	}
	runtime.KeepAlive(in)
}
