package bykey_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// mixed commits transactions with packs, with direct files, and with none, of two hours, and returns all rows.
func mixed(t *testing.T, store sink.Store, c codec.Codec) (all []row) {
	t.Helper()
	id := 0
	for i, merge := range []bool{true, false, true} {
		flow := keyed(merge)
		flow.Codec = c
		other := keyed(true)
		other.Name = "views"
		j := begin(t, store, flow, other)
		for range 3 {
			rows := numbered(id, 40, hostile...)
			for k := range rows {
				if k%3 == 0 {
					rows[k].at = noon.Add(time.Hour)
				}
			}
			j.commit(rows...)
			all = append(all, rows...)
			id += len(rows)
		}
		j.commit() // a transaction without rows has no manifest
		if i == 1 {
			j.commit(row{ID: id, Key: "a", at: noon.Add(time.Minute)}) // one key alone
			all = append(all, row{ID: id, Key: "a"})
			id++
		}
	}
	return all
}

func stores(t *testing.T) map[string]sink.Store {
	t.Helper()
	disk, err := file.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	mem, _ := memory()
	return map[string]sink.Store{"memory": mem, "disk": disk}
}

func TestEachKeyGetsItsRowsOnceAndNoOthers(t *testing.T) {
	for name, store := range stores(t) {
		for _, c := range []codec.Codec{codec.Gzip} {
			rows := mixed(t, store, c)
			r := openReader(t, store, bykey.Options{})
			for _, v := range hostile {
				var g got
				g.read(t, r, of(v))
				g.want(t, rows, v)
			}
			var set got
			set.read(t, r, of(hostile[1:9]...))
			set.want(t, rows, hostile[1:9]...)
			if t.Failed() {
				t.Fatalf("on %s, %s", name, c.Ext())
			}
		}
	}
}

// Workers that live in one process share a Reader.
func TestManyKeysAreReadByOneReaderAtOnce(t *testing.T) {
	store, _ := memory()
	rows := mixed(t, store, codec.Gzip)
	r := openReader(t, store, bykey.Options{})
	ctx := testContext(t)
	all := make([]got, len(hostile))
	var wg sync.WaitGroup
	for i, v := range hostile {
		wg.Go(func() {
			if err := all[i].all(ctx, r, of(v), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, v := range hostile {
		all[i].want(t, rows, v)
	}
}

func TestAKeyThatNeverCameHasNoRows(t *testing.T) {
	store, _ := memory()
	mixed(t, store, codec.None)
	var g got
	g.read(t, openReader(t, store, bykey.Options{}), of("c"))
	if len(g.ids) > 0 || g.at == 0 {
		t.Errorf("got %v at %d, want nothing, and the position moved", g.ids, g.at)
	}
}

// A worker that is killed goes on from the position that it stored with its effect.
func TestReadingGoesOnFromEveryPosition(t *testing.T) {
	store, _ := memory()
	mixed(t, store, codec.Zstd)
	r := openReader(t, store, bykey.Options{})
	var whole got
	whole.read(t, r, of("a", ""))
	stops := 0
	for u, err := range r.Transactions(testContext(t), of("a", ""), 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		var g got
		if err := g.upTo(testContext(t), r, of("a", ""), u.Entry); err != nil {
			t.Fatal(err)
		}
		g.read(t, r, of("a", ""))
		if !maps.EqualFunc(g.ids, whole.ids, slices.Equal) {
			t.Errorf("stopped at %d and gone on: %v, want %v", u.Entry, g.ids, whole.ids)
		}
		stops++
	}
	if stops < 9 {
		t.Errorf("there were %d transactions", stops)
	}
}

// upTo reads transactions up to an entry.
func (g *got) upTo(ctx context.Context, r *bykey.Reader, keys []bykey.Path, entry uint64) error {
	for u, err := range r.Transactions(ctx, keys, g.at, 0) {
		if err == nil {
			err = g.take(ctx, u)
		}
		if err != nil || u.Entry == entry {
			return err
		}
	}
	return fmt.Errorf("entry %d is not there", entry)
}

func TestALimitEndsBehindWholeTransactions(t *testing.T) {
	store, _ := memory()
	rows := mixed(t, store, codec.None)
	r := openReader(t, store, bykey.Options{})
	var g got
	calls := 0
	for before := uint64(1); before != g.at; calls++ {
		before = g.at
		had := len(g.ids["a"]) + len(g.ids["b"])
		if err := g.all(testContext(t), r, of("a", "b"), 7); err != nil {
			t.Fatal(err)
		}
		if n := len(g.ids["a"]) + len(g.ids["b"]) - had; n > 7+6 {
			t.Errorf("call %d gave %d rows, 7 was the limit and a transaction has 6 at most", calls, n)
		}
	}
	if calls < 5 {
		t.Errorf("all rows came in %d calls", calls)
	}
	g.want(t, rows, "a", "b")
}

// The bill of a worker: for a pack one request for its list, however many keys are read by one Reader, and one for each key.
func TestAPackCostsOneRangeForAKey(t *testing.T) {
	mem, _ := memory()
	j := begin(t, mem, keyed(true))
	var rows []row
	for i := range 20000 {
		rows = append(rows, row{ID: i, Key: fmt.Sprint(i % 5000), Text: strings.Repeat("x", 100)})
	}
	j.commit(rows...)
	var count counting
	r := openReader(t, count.store(mem), bykey.Options{})
	for i := range 5 {
		var g got
		v := fmt.Sprint(i * 7)
		g.read(t, r, of(v))
		g.want(t, rows, v)
		if len(count.ranges) != 1 {
			t.Fatalf("ranges of %d packs were read, want those of one", len(count.ranges))
		}
		for _, n := range count.ranges {
			if n != 1+i+1 {
				t.Errorf("after key %d: %d ranges were read, want %d", i, n, i+2)
			}
		}
	}
	clear(count.ranges)
	var set got
	var all []bykey.Path
	for i := range 500 {
		all = append(all, of(fmt.Sprint(i))...)
	}
	set.read(t, r, all)
	if n := len(set.ids); n != 500 {
		t.Errorf("500 keys were asked for, %d have rows", n)
	}
	for _, n := range count.ranges {
		if n != 1 {
			t.Errorf("%d ranges of a pack of 3 MB were read for a tenth of its keys, want one", n)
		}
	}
}

// A transaction that has direct files is read without those of other keys.
func TestOnlyFilesOfTheKeyAreOpened(t *testing.T) {
	mem, _ := memory()
	begin(t, mem, keyed(false)).commit(numbered(0, 100, "a", "b", "c", "d")...)
	var count counting
	var g got
	g.read(t, openReader(t, count.store(mem), bykey.Options{}), of("b"))
	if count.opens != 1 || len(g.ids["b"]) != 25 {
		t.Errorf("%d files were opened for %d rows, want one for 25", count.opens, len(g.ids["b"]))
	}
}

// Rows of a key that fill several segments come in parts of bounded size, each a whole text.
func TestALongKeyComesInSeveralParts(t *testing.T) {
	for _, c := range []codec.Codec{codec.None, codec.Gzip, codec.LZ4} {
		mem, _ := memory()
		flow := keyed(true)
		flow.Codec = c
		j := begin(t, mem, flow)
		var rows []row
		for i := range 6000 {
			k := "long"
			if i%100 == 0 {
				k = fmt.Sprint("short", i)
			}
			rows = append(rows, row{ID: i, Key: k, Text: strings.Repeat("y", 2000)})
		}
		j.commit(rows...)
		r := openReader(t, mem, bykey.Options{})
		var g got
		g.read(t, r, of("long", "short300"))
		g.want(t, rows, "long", "short300")
		for u, err := range r.Transactions(testContext(t), of("long"), 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			parts := 0
			for p, err := range u.Parts(testContext(t)) {
				if err != nil || p.Rows > 5000 {
					t.Fatalf("a part has %d rows, %v", p.Rows, err)
				}
				parts++
			}
			if parts < 2 {
				t.Errorf("12 MB came in %d part", parts)
			}
		}
	}
}

func TestSealedHoursHaveTheRowsOfTheirTransactions(t *testing.T) {
	for name, store := range stores(t) {
		rows := mixed(t, store, codec.Gzip)
		j := begin(t, store, keyed(true))
		j.seal(noon.Add(4 * time.Hour))
		r := openReader(t, store, bykey.Options{})
		var count counting
		var g got
		hours := 0
		for u, err := range openReader(t, count.store(store), bykey.Options{}).Hours(testContext(t), of("a", "a/b", ""), noon) {
			if err == nil {
				err = g.take(testContext(t), u)
			}
			if err != nil {
				t.Fatal(name, err)
			}
			if u.Hour.IsZero() {
				t.Error("a unit of an hour has none")
			}
			hours++
		}
		if hours < 2 {
			t.Errorf("%s: %d hours are sealed", name, hours)
		}
		g.want(t, rows, "a", "a/b", "")
		if len(count.ranges) > 0 {
			t.Errorf("%s: packs were read for sealed hours: %v", name, count.ranges)
		}
		var again got
		again.read(t, r, of("a"))
		again.want(t, rows, "a")
	}
}

func TestLateRowsComeOnlyIfTheyAreAskedFor(t *testing.T) {
	store, _ := memory()
	j := begin(t, store, keyed(true))
	j.commit(row{ID: 1, Key: "a"})
	j.seal(noon.Add(3 * time.Hour))
	j.commit(row{ID: 2, Key: "a"}, row{ID: 3, Key: "b"}) // late, of a merged flow: in one file
	j = begin(t, store, keyed(false))
	j.commit(row{ID: 4, Key: "a"}, row{ID: 5, Key: "b"}) // late, in folders of keys
	for _, c := range []struct {
		late bool
		want map[string][]int
	}{{false, map[string][]int{"a": {1}}}, {true, map[string][]int{"a": {1, 2, 4}, "b": {3}}}} {
		var g got
		g.read(t, openReader(t, store, bykey.Options{Late: c.late}), of("a"))
		if !maps.EqualFunc(g.ids, c.want, slices.Equal) {
			t.Errorf("Late %t: got %v, want %v", c.late, g.ids, c.want)
		}
	}
}

// What a fault makes of a request must never be missing rows, nor rows twice.
func TestNoFaultOfTheStoreLosesARow(t *testing.T) {
	for name, store := range stores(t) {
		var rows []row
		for i, merge := range []bool{true, false} {
			more := numbered(20*i, 20, "a", "b", "é")
			begin(t, store, keyed(merge)).commit(more...)
			rows = append(rows, more...)
		}
		for _, mode := range []sinktest.Mode{sinktest.Refuse, sinktest.ApplyThenFail, sinktest.Crash} {
			for k := 0; ; k++ {
				faulty := sinktest.FailAt(store, k, mode)
				var g got
				tries := 0
				for ; tries < 4; tries++ {
					r, err := bykey.Open(testContext(t), faulty, "job", "clicks", &bykey.Options{Poll: -1})
					if err == nil {
						err = g.all(testContext(t), r, of("a", "é"), 0)
					}
					if err == nil {
						break
					}
					faulty.Revive()
				}
				if g.want(t, rows, "a", "é"); tries == 4 || t.Failed() {
					t.Fatalf("on %s: %s at call %d, after %d tries", name, mode, k, tries)
				}
				if faulty.Calls() <= k {
					break
				}
			}
		}
	}
}
