package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// M15
func TestRowsOfTwoCodecsAreInTwoFiles(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	for i, c := range []codec.Codec{codec.Gzip, codec.None} {
		flow := keyed(true)
		flow.Codec = c
		in := open(t, store, quarter, nil, flow)
		in.acquire("a")
		for id := range 3 { // rows that have blocks of their own in a pack, and others
			in.writeEvents("a", record.Event[row]{Value: row{ID: 10*i + id, Kind: strings.Repeat("x", id*100<<10)}, Time: noon})
		}
		in.writeEvents("a", keyedEvents(noon.Add(time.Duration(i)*2*time.Hour), 1, 20+i)...)
		in.commit()
		in.maintain("a")
	}
	var ids []int
	for _, key := range keys(t, store, noonFolder) {
		if strings.HasSuffix(key, "_SEALED") {
			continue
		}
		body, err := store.Read(t.Context(), key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(key, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err == nil {
				body, err = io.ReadAll(z)
			}
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
		}
		for line := range bytes.Lines(body) {
			var r row
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			ids = append(ids, r.ID)
		}
	}
	if slices.Sort(ids); !slices.Equal(ids, []int{0, 1, 2, 10, 11, 12, 20}) {
		t.Errorf("the hour has the rows %v", ids)
	}
}

// two are two instances of a job with an hour that has packs and can close. The first one's calls pass before.
func two(t *testing.T, before func(context.Context, sinktest.Call) sinktest.Mode) (mem *sinktest.Memory, first, second *instance) {
	t.Helper()
	mem, _ = memory(noon.Add(3 * time.Hour))
	first, second = open(t, sinktest.NewFaulty(mem, before), quarter, nil, keyed(true)), open(t, mem, quarter, nil, keyed(true))
	first.acquire("a")
	first.writeEvents("a", keyedEvents(noon, 2, 1, 2)...)
	first.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 2, 3)...)
	first.commit()
	return mem, first, second
}

var merged = map[string][]int{"k=a0": {2}, "k=a1": {1}}

// M10
func TestWhoIsTooSlowToMergePublishesNothing(t *testing.T) {
	var other *instance
	mem, first, second := two(t, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/merges/") && other != nil {
			for range 3 { // the first time it leaves the hour to who has closed it
				other.maintain("a")
			}
			other = nil
		}
		return sinktest.Pass
	})
	other = second
	first.maintain("a")
	if other != nil {
		t.Fatal("the other one has not been faster")
	}
	if got := idsOf(t, mem, noonFolder); !maps.EqualFunc(got, merged, slices.Equal) {
		t.Errorf("the hour has %v, want %v", got, merged)
	}
	if n := staged(t, mem); n != 0 {
		t.Errorf("%d files are left in staging", n)
	}
}

// M04, M06, M16, M19
func TestWhatAMergeRecordNamesIsNotSwept(t *testing.T) {
	for _, mode := range []sinktest.Mode{sinktest.ApplyThenCrash, sinktest.Crash} {
		mem, first, second := two(t, func(_ context.Context, c sinktest.Call) sinktest.Mode {
			if c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/merges/") {
				return mode
			}
			return sinktest.Pass
		})
		if _, err := first.tryMaintain("a"); err == nil {
			t.Fatal("the first one has not died")
		}
		if n := staged(t, mem); n != 2 {
			t.Fatalf("the first one has left %d files in staging, want 2", n)
		}
		second.maintain("a") // it sweeps, and leaves the hour to who has closed it
		if n := staged(t, mem); n != 2 {
			t.Errorf("%s: %d files are left in staging, want both: a record may name them", mode, n)
		}
		for range 3 {
			second.maintain("a")
		}
		if got := idsOf(t, mem, noonFolder); !maps.EqualFunc(got, merged, slices.Equal) {
			t.Errorf("%s: the hour has %v, want %v", mode, got, merged)
		}
		for range 120 { // more than an hour
			second.maintain("a")
		}
		if n := staged(t, mem); n != 0 {
			t.Errorf("%s: %d files are left in staging once the hour is sealed", mode, n)
		}
	}
}

// M13b: a pack was once deleted a day early: its hour was sealed while the store's clock had stepped back by a day.
func TestPacksAreKeptFromTheLaterTimeOnWhileTheClockIsInDoubt(t *testing.T) {
	mem, since, step := sinktest.NewMemory(), time.Duration(0), time.Duration(0)
	begun := noon.Add(3 * time.Hour)
	mem.Clock = func() time.Time { return begun.Add(since + step) }
	e := env.Default()
	e.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	e.Mono, e.Wall = func() time.Duration { return since }, func() time.Time { return begun.Add(since) }
	e.Now = e.Wall
	ctx := env.With(t.Context(), e)
	store := clocked{sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if strings.HasSuffix(c.Key, "_SEALED") {
			step = -24 * time.Hour
		}
		return sinktest.Pass
	})}
	start := func() *instance {
		in, err := openIn(ctx, t, store, quarter, &sink.Options{Keep: 48 * time.Hour}, keyed(true))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	in := start()
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon, 1, 1)...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 2)...)
	in.commit()
	parts := partsOf("a")
	if _, err := in.out.Maintain(ctx, parts); err != nil || step == 0 {
		t.Fatalf("the hour is not sealed: %v", err)
	}
	step = 0
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{30 * time.Hour, 2}, {49 * time.Hour, 1}} {
		since = c.after
		if _, err := start().out.Maintain(ctx, parts); err != nil {
			t.Fatal(err)
		}
		if n := len(keys(t, mem, "_onceflow/job/e0001/packs/")); n != c.want {
			t.Errorf("%s after the seal there are %d packs, want %d", c.after, n, c.want)
		}
	}
}

// clocked is a store whose clock may be doubted.
type clocked struct{ *sinktest.Faulty }

func (clocked) Traits() storage.Traits { return storage.Traits{} }

// A codec that a user has written is not known to a process of another version. It must not make files of another codec of it.
func TestAnHourWaitsForAProcessThatKnowsTheCodecOfItsPacks(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	flow := keyed(true)
	flow.Codec = own{codec.Gzip}
	in := open(t, store, quarter, nil, flow)
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon, 1, 1)...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 2)...)
	in.commit()
	other := open(t, store, quarter, nil, keyed(true))
	var up driver.Upkeep
	for range 5 { // it first leaves to the other what that has committed
		up = other.maintain("a")
	}
	if up.Unclosed == nil || !strings.Contains(up.Unclosed.Error(), ".own") {
		t.Errorf("an hour waits, and Unclosed says %v", up.Unclosed)
	}
	if got := keys(t, store, noonFolder); len(got) != 0 {
		t.Errorf("who does not know the codec has made %s", got)
	}
	for range 5 {
		in.maintain("a")
	}
	if up = other.maintain("a"); up.Unclosed != nil {
		t.Errorf("the hour is sealed, and Unclosed says %v", up.Unclosed)
	}
	if got := keys(t, store, noonFolder); len(got) != 2 {
		t.Errorf("the hour has %s, want a file and a seal", got)
	}
}

// own is a user's codec.
type own struct{ codec.Codec }

func (own) Ext() string { return ".own" }

// A pack that is gone, or damaged, keeps its hour from its seal, and the error says which one it is and what to do.
func TestAPackThatIsGoneOrDamagedIsNamed(t *testing.T) {
	for name, spoil := range map[string]func(*sinktest.Memory, string){
		"gone":    func(m *sinktest.Memory, key string) { m.Lose(key) },
		"shorter": func(m *sinktest.Memory, key string) { m.Overwrite(key, []byte("short")) },
		"changed": func(m *sinktest.Memory, key string) {
			body, err := m.Read(t.Context(), key, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			body[2]++
			m.Overwrite(key, body)
		},
	} {
		mem, first, _ := two(t, nil)
		key := keys(t, mem, "_onceflow/job/e0001/packs/2025-05-01T1200/")[0]
		whole, err := mem.Read(t.Context(), key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		spoil(mem, key)
		if _, err := first.tryMaintain("a"); err == nil || !strings.Contains(err.Error(), key) || name != "shorter" && !strings.Contains(err.Error(), "put the object back") {
			t.Errorf("%s: %v, want an error that names %s and what to do", name, err, key)
		}
		if got := keys(t, mem, noonFolder); len(got) != 0 {
			t.Errorf("%s: the hour has %s", name, got)
		}
		mem.Overwrite(key, whole)
		first.maintain("a")
		if got := idsOf(t, mem, noonFolder); !maps.EqualFunc(got, merged, slices.Equal) {
			t.Errorf("%s: once it is back the hour has %v, want %v", name, got, merged)
		}
	}
}

// M08
func TestUnitsFollowFromTheCloseAlone(t *testing.T) {
	mem, _ := memory(noon.Add(3 * time.Hour))
	start := func(store sink.Store, unit int64) *instance {
		e := *env.From(testContext(t))
		e.MergeUnit = unit
		in, err := openIn(env.With(t.Context(), &e), t, store, quarter, nil, keyed(true))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	first := start(sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/hours/") {
			return sinktest.Crash
		}
		return sinktest.Pass
	}), 1)
	first.acquire("a")
	first.writeEvents("a", keyedEvents(noon, 2, 1, 2)...)
	first.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 2, 3)...)
	first.commit()
	var died error
	for n := 0; n < 300 && died == nil; n++ { // a unit each time
		_, died = first.tryMaintain("a")
	}
	if died == nil {
		t.Fatal("the first one has not died")
	}
	second := start(mem, 1<<30)
	for range 300 {
		second.maintain("a")
	}
	if got := idsOf(t, mem, noonFolder); !maps.EqualFunc(got, merged, slices.Equal) {
		t.Errorf("the hour has %v, want %v", got, merged)
	}
	if m, err := sink.Sealed(t.Context(), mem, "job", noon, nil); err != nil || len(m.Files) != 2 {
		t.Errorf("the hour's manifest says %+v, %v", m, err)
	}
}
