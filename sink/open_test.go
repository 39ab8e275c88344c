package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

func TestOpenTellsAllThatIsWrongAtOnce(t *testing.T) {
	store, _ := memory(noon)
	flows := []sink.Flow[row]{
		{Name: "Upper", Format: format.JSONLines[row]()},
		{Name: "late", Format: format.JSONLines[row]()},
		{Name: "twice"},
		{Name: "twice", Format: format.JSONLines[row](), Keys: []sink.Key[row]{{Name: "day", Value: func(*row) string { return "" }}, {Name: "k"}}},
	}
	opts := &sink.Options{Prefix: "no-slash", Hour: 7 * time.Minute, FileBytes: -1}
	_, err := sink.Open(testContext(t), store, "Job", flows, opts)
	if err == nil {
		t.Fatal("it opened")
	}
	for _, want := range []string{
		`job name "Job"`, "does not end with a slash", "does not divide a day", "FileBytes -1", `flow name "Upper"`, "library's own", "no Format",
		`two flows have the name "twice"`, "one of day, hour", `key "k" has no Value`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q:\n%v", want, err)
		}
	}
	if got := keys(t, store, ""); len(got) != 0 {
		t.Errorf("it wrote %v", got)
	}
}

// begun is a store on which job "job" has begun.
func begun(t *testing.T) *sinktest.Memory {
	t.Helper()
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	return store
}

func TestAFolderThatIsNotOursIsRefusedBeforeAnyWrite(t *testing.T) {
	newer := func(m *sinktest.Memory) {
		const key = "_onceflow/job/e0001/genesis.json"
		body, err := m.Read(context.Background(), key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(body), "\n")
		line = strings.Replace(line, `"format":1,"min_reader":1`, `"format":9,"min_reader":9`, 1) + "\n"
		m.Overwrite(key, []byte(line+"sha256:"+string(ledger.HashOf([]byte(line)))+"\n"))
	}
	for name, c := range map[string]struct {
		job    string
		source string
		opts   sink.Options
		change func(*sinktest.Memory)
		want   string
	}{
		"another job":    {"other", "test", sink.Options{}, nil, "Options.Shared"},
		"another hour":   {"job", "test", sink.Options{Hour: 15 * time.Minute}, nil, "set Options.Hour to 1h0m0s"},
		"another start":  {"job", "test", sink.Options{Start: noon}, nil, "Options.Start"},
		"another source": {"job", "kafka:x", sink.Options{}, nil, `begun with the source "test"`},
		"newer format":   {"job", "test", sink.Options{}, newer, "newer version"},
	} {
		t.Run(name, func(t *testing.T) {
			store := begun(t)
			if c.change != nil {
				c.change(store)
			}
			before := keys(t, store, "")
			out, err := sink.Open(testContext(t), store, c.job, []sink.Flow[row]{rowsFlow("rows")}, &c.opts)
			if err == nil {
				err = out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: c.source, Topics: topics}})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if after := keys(t, store, ""); !slices.Equal(after, before) {
				t.Errorf("it wrote: before %v, after %v", before, after)
			}
		})
	}
}

func TestJobsThatShareAFolderHaveSealsOfTheirOwn(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	for _, job := range []string{"etl", "etl2"} {
		out, err := sink.Open(testContext(t), store, job, []sink.Flow[row]{rowsFlow("rows-" + job)}, &sink.Options{Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		out.Seal(quarter)
		if err := out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}}); err != nil {
			t.Fatal(err)
		}
		in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
		in.acquire("a")
		in.write("a", noon, 1)
		in.seen("a", noon.Add(2*time.Hour))
		in.commit()
		in.maintain("a")
		want := "rows-" + job + "/day=2025-05-01/hour=12/_SEALED." + job
		if got := keys(t, store, "rows-"+job+"/"); !slices.Contains(got, want) {
			t.Errorf("%v, want %s among them", got, want)
		}
	}
}

// without is a Store whose Create overwrites, as an S3 that ignores If-None-Match.
type overwriting struct{ *sinktest.Memory }

func (o overwriting) Create(_ context.Context, key string, body []byte) error {
	o.Overwrite(key, body)
	return nil
}

func TestAStoreWithoutCreateIfAbsentIsRefused(t *testing.T) {
	store, _ := memory(noon)
	_, err := sink.Open(testContext(t), overwriting{store}, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
	if err == nil || !strings.Contains(err.Error(), "create-if-absent") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// visibleStaging is a Store whose staged files can be read.
type visibleStaging struct{ *sinktest.Memory }

func (s visibleStaging) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	s.Overwrite(key, nil)
	return s.Memory.Stage(ctx, key, owner, most)
}

func TestAStoreThatShowsStagedFilesIsRefused(t *testing.T) {
	store, _ := memory(noon)
	_, err := sink.Open(testContext(t), visibleStaging{store}, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
	if err == nil || !strings.Contains(err.Error(), "must not be visible") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestTopicsChangeWithANewGenerationOnly(t *testing.T) {
	attach := func(store sink.Store, generation uint64, topics ...string) (*instance, error) {
		out, err := sink.Open(testContext(t), store, "job", []sink.Flow[row]{rowsFlow("rows")}, &sink.Options{Generation: generation})
		if err != nil {
			return nil, err
		}
		out.Seal(quarter)
		return &instance{t: t, out: out, at: map[string]driver.Progress{}},
			out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}})
	}
	store, _ := memory(noon.Add(5 * time.Hour))
	old, err := attach(store, 0, "src")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attach(store, 1, "more", "src"); err == nil || !strings.Contains(err.Error(), "raise the generation") {
		t.Errorf("other topics in the same generation: %v, want a refusal", err)
	}
	if _, err := attach(store, 2, "more", "src"); err != nil {
		t.Errorf("other topics in a newer generation: %v", err)
	}
	// An instance of the old generation goes on writing and closes nothing.
	old.acquire("a")
	old.write("a", noon, 1)
	old.seen("a", noon.Add(2*time.Hour))
	old.commit()
	old.maintain("a")
	again, err := attach(store, 1, "src")
	if err != nil {
		t.Fatalf("an old instance starts again: %v", err)
	}
	again.maintain("a")
	if got := seals(t, store); len(got) != 0 {
		t.Errorf("an old generation sealed %v", got)
	}
	young, err := attach(store, 2, "more", "src")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		young.maintain("a")
	}
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12"}) {
		t.Errorf("the new generation sealed %v, want 12h", got)
	}
	if _, err := attach(store, 3, "more"); err == nil {
		t.Error("a topic whose partition is not retired was left out")
	}
}

// Each byte of each control object is damaged: the job must not start on it, or not need it.
func TestADamagedLedgerIsNeverBelieved(t *testing.T) {
	store := begun(t)
	for _, key := range keys(t, store, "_onceflow/job/e0001/") {
		if strings.Contains(key, "/owners/") || strings.Contains(key, "/manifests/") || strings.Contains(key, "/probe/") {
			continue
		}
		body, err := store.Read(t.Context(), key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i := range body {
			m := store.Clone()
			damaged := slices.Clone(body)
			damaged[i] ^= 0x20
			m.Overwrite(key, damaged)
			before := len(keys(t, m, ""))
			_, err := tryOpen(t, m, nil, nil, rowsFlow("rows"))
			if _, corrupt := errors.AsType[*ledger.CorruptError](err); !corrupt {
				t.Fatalf("%s with byte %d damaged: %v, want a CorruptError", key, i, err)
			}
			if after := len(keys(t, m, "")); after != before {
				t.Fatalf("%s with byte %d damaged: %d objects were written", key, i, after-before)
			}
		}
	}
}

func TestADamagedSnapshotIsPassedOver(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	for i := range 140 {
		in.write("a", noon, i)
		in.commit()
	}
	snapshots := keys(t, store, "_onceflow/job/e0001/snapshots/")
	if len(snapshots) != 2 {
		t.Fatalf("snapshots %v, want those of entries 64 and 128", snapshots)
	}
	for n := range 3 {
		counted := sinktest.NewFaulty(store, nil)
		again := open(t, counted, nil, nil, rowsFlow("rows"))
		again.acquire("a")
		if got := again.at["a"].UpTo.Sub; got != 140 {
			t.Errorf("with %d damaged snapshots the lane is at %d, want 140", n, got)
		}
		if limit := []int{40, 105, 170}[n]; counted.Calls() > limit {
			t.Errorf("with %d damaged snapshots a start takes %d requests, want at most %d", n, counted.Calls(), limit)
		}
		if n < len(snapshots) {
			store.Overwrite(snapshots[len(snapshots)-1-n], []byte("damaged"))
		}
	}
}

func TestAStartListsWhatIsBeyondTheEndAndNoMore(t *testing.T) {
	store := begun(t)
	var mu sync.Mutex
	var lists []string
	counted := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		mu.Lock()
		defer mu.Unlock()
		if c.Op == sinktest.OpList || c.Op == sinktest.OpStaged {
			lists = append(lists, fmt.Sprint(c.Op, " ", c.Key))
		}
		return sinktest.Pass
	})
	in := open(t, counted, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.maintain("a")
	lists = slices.DeleteFunc(lists, func(l string) bool { return l == "list _onceflow/" }) // for other jobs
	want := []string{"staged "}
	for _, kind := range []string{"hours/", "manifests/s0000/", "owners/", "s0000/", "snapshots/s0000/", "snapshots/s0000/"} {
		want = append(want, "list _onceflow/job/e0001/"+kind) // what is beyond the end, and the snapshots
	}
	slices.Sort(want)
	if slices.Sort(lists); !slices.Equal(lists, want) {
		t.Errorf("lists at the start: %q, want %q", lists, want)
	}
	lists = nil
	for range 5 {
		in.write("a", noon, 1)
		in.commit()
		in.maintain("a")
	}
	if len(lists) != 0 {
		t.Errorf("lists in steady state: %q", lists)
	}
}
