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
	"github.com/onceflow/onceflow/sink/sinktest"
)

const jobRoot = "_onceflow/job/e0001/"

// aged is a store with a ledger of some 140 entries, snapshots of 64 and 128 among them, and closed hours.
func aged(t *testing.T) *sinktest.Memory {
	t.Helper()
	store, _ := memory(noon.Add(9 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	for i := range 135 {
		in.write("a", noon.Add(time.Duration(i)*2*time.Minute), i)
		in.commit()
	}
	in.maintain("a")
	in.commit() // marks
	in.maintain("a")
	in.acquire("a") // and files of another owner
	in.write("a", noon.Add(5*time.Hour), 135)
	in.commit()
	return store
}

func without(keys ...string) func(string) bool {
	return func(key string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(key, jobRoot+k) })
	}
}

// lose deletes the objects that gone says.
func lose(t *testing.T, store *sinktest.Memory, gone func(string) bool) {
	t.Helper()
	n := 0
	for _, key := range keys(t, store, "") {
		if gone(key) {
			store.Lose(key)
			n++
		}
	}
	if n == 0 {
		t.Fatal("nothing was deleted")
	}
}

// entriesFrom are the entries from n on.
func entriesFrom(first uint64) func(string) bool {
	return func(key string) bool {
		n, ok := ledger.ParseEntryName(strings.TrimPrefix(key, jobRoot))
		return ok && n >= first
	}
}

// With genesis gone, a job once began anew in its old folder: 300 rows, 150 of them twice, and no error. With its newest
// entries gone it went on from an earlier place.
func TestALedgerThatLostObjectsIsRefused(t *testing.T) {
	all := aged(t)
	last := uint64(0)
	for _, key := range keys(t, all, jobRoot+ledger.EntryPrefix) {
		last, _ = ledger.ParseEntryName(key[len(jobRoot):])
	}
	either := func(fs ...func(string) bool) func(string) bool {
		return func(key string) bool {
			return slices.ContainsFunc(fs, func(f func(string) bool) bool { return f(key) })
		}
	}
	genesis := without("genesis.json")
	newest := entriesFrom(last - 1)
	after := func(prefix string) func(string) bool { // all objects of a kind that are beyond the loss
		return func(key string) bool { return strings.HasPrefix(key, jobRoot+prefix) }
	}
	for name, c := range map[string]struct {
		gone func(string) bool
		want string
	}{
		"genesis":                         {genesis, "genesis.json is not"},
		"genesis and entries":             {either(genesis, without("s0000/")), "genesis.json is not"},
		"all but snapshots":               {either(genesis, without("s0000/", "manifests/", "owners/", "hours/", "blobs/")), "genesis.json is not"},
		"all but owners":                  {either(genesis, without("s0000/", "manifests/", "snapshots/", "hours/", "blobs/")), "genesis.json is not"},
		"all control objects":             {without(""), "the ledger of a job that has written it"},
		"all control objects but genesis": {without("s0000/", "manifests/", "snapshots/", "owners/", "hours/", "blobs/"), "the ledger of a job that has written it"},
		"entries and snapshots":           {without("s0000/", "snapshots/"), "entry 1 is not"},
		"newest entries":                  {newest, "manifests/s0000/"},
		"newest entries and manifests":    {either(newest, after("manifests/")), "owners/"},
		"newest entry, all but its owner": {either(entriesFrom(last), after("manifests/")), ""},
		"entries of before the snapshots": {either(entriesFrom(100), after("manifests/"), after("owners/"), without("snapshots/s0000/00000000000000000128")), "hours/"},
		"entries that a snapshot is of":   {either(entriesFrom(120), after("manifests/"), after("owners/"), after("hours/"), without("snapshots/s0000/00000000000000000064")), ""},
		"a hole near the end":             {func(key string) bool { return key == jobRoot+ledger.EntryName(last-1) }, "is not"},
		"a hole, and nothing but what is behind it": {either(func(key string) bool { return key == jobRoot+ledger.EntryName(last-1) },
			after("manifests/"), after("owners/"), after("hours/")), jobRoot + ledger.EntryName(last) + " is there"},
	} {
		check := func(t *testing.T, foreign bool) {
			store := all.Clone()
			lose(t, store, c.gone)
			if foreign {
				litter(store)
			}
			before := keys(t, store, "")
			_, err := tryOpen(t, store, quarter, nil, rowsFlow("rows"))
			if c.want == "" { // nothing that is left tells, or nothing is missing that is needed
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			if _, lost := errors.AsType[*ledger.LostError](err); !lost || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a LostError with %q", err, c.want)
			}
			after := slices.DeleteFunc(keys(t, store, ""), func(k string) bool { return strings.Contains(k, "/probe/") })
			before = slices.DeleteFunc(before, func(k string) bool { return strings.Contains(k, "/probe/") })
			if !slices.Equal(before, after) {
				t.Errorf("it wrote: before %d objects, after %d", len(before), len(after))
			}
			if name == "all control objects" || name == "all control objects but genesis" {
				return // a reader does not know the flows
			}
			if _, err := sink.Inspect(t.Context(), store, "job", nil); !strings.Contains(errText(err), c.want) {
				t.Errorf("Inspect: got %v, want an error with %q", err, c.want)
			}
		}
		t.Run(name, func(t *testing.T) { check(t, false) })
		t.Run(name+", among what others put there", func(t *testing.T) { check(t, true) })
	}
}

// litter puts other programs' objects wherever a job looks, before and behind its own. One of them once hid what was left of a
// ledger, and so the loss.
func litter(store *sinktest.Memory) {
	for _, folder := range []string{"", "s0000/", "snapshots/s0000/", "manifests/s0000/", "hours/", "owners/", "blobs/", "finished/"} {
		for _, name := range []string{"", "0", "00000000000000000001.bak", "00000000000000000128.json~", "2025-05-01T12.json.bak", "zz"} {
			store.Overwrite(jobRoot+folder+"x-"+name, nil)
			if name != "" {
				store.Overwrite(jobRoot+folder+name, nil)
			}
			for n := range uint64(160) {
				store.Overwrite(jobRoot+folder+fmt.Sprintf("%020d.copy", n), nil)
			}
		}
	}
	for i := range 1100 {
		store.Overwrite(fmt.Sprintf("rows/0-%d", i), nil)
	}
	store.Overwrite("_onceflow/notes", nil)
	store.Overwrite("_onceflow/other/notes", nil)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What looks like a loss and is none: staging and owners of work that was never committed, files of other programs, and
// other instances that append between the listing and the reading.
func TestALedgerThatLostNothingIsNotRefused(t *testing.T) {
	store, _ := memory(noon)
	store.Overwrite("rows/day=2025-05-01/part-00001.parquet", []byte("of another program"))
	litter(store)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	in.acquire("a")
	in.write("a", noon, 2) // staged, and never committed
	open(t, store, nil, nil, rowsFlow("rows"))

	other := open(t, store, nil, nil, rowsFlow("rows"))
	other.acquire("b")
	var once sync.Once
	written := false
	racing := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpList && c.Key == jobRoot+ledger.OwnerPrefix {
			once.Do(func() {
				for i := range 3 {
					other.write("b", noon, 10+i)
					other.commit()
				}
				other.acquire("b")
				other.write("b", noon, 20)
				other.commit()
				written = true
			})
		}
		return sinktest.Pass
	})
	if _, err := tryOpen(t, racing, nil, nil, rowsFlow("rows")); err != nil {
		t.Errorf("beside another instance: %v", err)
	}
	if !written {
		t.Error("nothing was written meanwhile: this tests nothing")
	}
}
