package bykey_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
)

// says fails unless err has all the texts.
func says(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("got %v, want an error that says %q", err, s)
		}
	}
}

func readAll(t *testing.T, r *bykey.Reader, keys []bykey.Path, after uint64) error {
	t.Helper()
	g := got{at: after}
	return g.all(testContext(t), r, keys, 0)
}

func TestWhatIsNotThereSaysWhatToDo(t *testing.T) {
	store, _ := memory()
	_, err := bykey.Open(testContext(t), store, "job", "clicks", nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no job: %v, want fs.ErrNotExist", err)
	}
	plain := keyed(true)
	plain.Name, plain.Keys = "plain", nil
	j := begin(t, store, keyed(true), plain)
	j.commit(numbered(0, 10, "a", "b")...)

	_, err = bykey.Open(testContext(t), store, "job", "klicks", nil)
	says(t, err, `no flow "klicks"`)
	_, err = bykey.Open(testContext(t), store, "job", "../x", nil)
	says(t, err, "flow name")
	_, err = bykey.Open(testContext(t), store, "job", "clicks", &bykey.Options{Ledger: "another"})
	says(t, err, "begun anew", "Begin at 0")

	r := openReader(t, store, bykey.Options{})
	if _, err := bykey.Open(testContext(t), store, "job", "clicks", &bykey.Options{Ledger: r.Ledger()}); err != nil {
		t.Errorf("its own ledger: %v", err)
	}
	says(t, readAll(t, r, nil, 0), "no keys")
	says(t, readAll(t, r, []bykey.Path{{}}, 0), "sink.Committed")
	says(t, readAll(t, r, []bykey.Path{{{Name: "a/b", Value: "x"}}}, 0), "name")
	says(t, readAll(t, r, []bykey.Path{{{Name: "site", Value: "a"}}}, 0), "by advertiser", "not by site")
	both := []bykey.Path{{{Name: "site", Value: "a"}}, {{Name: "advertiser", Value: "a"}}}
	if err := readAll(t, r, both, 0); err != nil {
		t.Errorf("paths of both names: %v", err)
	}
	p, err := bykey.Open(testContext(t), store, "job", "plain", &bykey.Options{Poll: -1})
	if err != nil {
		t.Fatal(err)
	}
	says(t, readAll(t, p, of("a"), 0), "without keys", "sink.Committed")
	direct := keyed(false)
	direct.Keys = nil
	begin(t, store, direct).commit(row{ID: 11})
	says(t, readAll(t, r, of("a"), 0), "without keys")
}

func TestAPositionMustBeOneOfTheLedger(t *testing.T) {
	store, _ := memory()
	begin(t, store, keyed(true)).commit(numbered(0, 10, "a")...)
	r := openReader(t, store, bykey.Options{})
	var g got
	g.read(t, r, of("a"))
	end, err := sink.FindTail(t.Context(), store, "job", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := readAll(t, r, of("a"), end.Entry); err != nil {
		t.Errorf("from the end on: %v", err)
	}
	for _, after := range []uint64{end.Entry + 1, 1000, math.MaxUint64} {
		err := readAll(t, r, of("a"), after)
		if e, ok := errors.AsType[*sink.PositionError](err); !ok || e.Last != end.Entry || !errors.Is(err, stream.ErrStop) {
			t.Errorf("position %d of a ledger of %d entries: %v", after, end.Entry, err)
		}
		says(t, err, "begun anew", "begin at 0")
	}
}

// A reader of a ledger whose beginning was deleted waited for ever for what was gone.
func TestALedgerThatLostEntriesIsAnError(t *testing.T) {
	store, _ := memory()
	j := begin(t, store, keyed(true))
	for range 5 {
		j.commit(numbered(0, 10, "a")...)
	}
	r := openReader(t, store, bykey.Options{})
	for _, name := range []string{"00000000000000000001", "00000000000000000003"} {
		if err := store.Delete(t.Context(), "_onceflow/job/e0001/s0000/"+name); err != nil {
			t.Fatal(err)
		}
	}
	for _, after := range []uint64{0, 2} {
		if e, ok := errors.AsType[*sink.LostError](readAll(t, r, of("a"), after)); !ok {
			t.Errorf("behind %d an entry is gone, and the error is %v", after, e)
		}
	}
}

// packs are the packs that are there.
func packs(t *testing.T, store *sinktest.Memory) (keys []string) {
	t.Helper()
	for o, err := range store.List(t.Context(), "_onceflow/job/e0001/packs/", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// A worker that was away for longer than packs are kept finds the rows in sealed files, and ends with each row once. Who began with the
// hour of the pack that was found missing, once lost rows: a transaction behind it had rows of an earlier hour.
func TestAReaderThatIsTooLateGoesOnWithSealedHours(t *testing.T) {
	store, clock := memory()
	j := begin(t, store, keyed(true))
	var rows []row
	add := func(at time.Duration, n int) {
		more := numbered(len(rows), n, "a", "b")
		for i := range more {
			more[i].at = noon.Add(at)
		}
		j.commit(more...)
		rows = append(rows, more...)
	}
	add(-3*time.Hour, 10)
	add(0, 10) // the hour of 9 is closed behind it
	add(0, 10)
	r := openReader(t, store, bykey.Options{})
	var have []part
	position := uint64(0)
	read := func(units iter.Seq2[*bykey.Unit, error]) error {
		for u, err := range units {
			if err != nil {
				return err
			}
			parts, err := partsOf(testContext(t), u)
			if err != nil {
				return err
			}
			have = append(have, parts...)
			if u.Hour.IsZero() {
				position = u.Entry
			}
		}
		return nil
	}
	if err := read(r.Transactions(testContext(t), of("a"), 0, 0)); err != nil || position == 0 {
		t.Fatal(err)
	}
	stopped := position // here it is away
	add(time.Hour, 10)
	add(0, 10) // an earlier hour again
	add(5*time.Hour, 10)
	j.maintain()
	clock.t = clock.t.Add(25 * time.Hour)
	j = begin(t, store, keyed(true)) // it deletes old packs when it begins
	j.maintain()
	if n := len(packs(t, store)); n != 1 {
		t.Fatalf("%d packs are there, want that of the open hour", n)
	}

	err := read(r.Transactions(testContext(t), of("a"), stopped, 0))
	gone, ok := errors.AsType[*bykey.GoneError](err)
	if !ok || !gone.Sealed || !gone.Hour.Equal(noon.Add(time.Hour)) || !errors.Is(err, stream.ErrStop) || position != stopped {
		t.Fatalf("got %v, want that the pack of a sealed hour is gone", err)
	}
	says(t, err, "Reader.Hours", "Options.From", "2025-05-01T13:00Z")
	if first := gone.From; first.After(noon) || !first.After(noon.Add(-3*time.Hour)) {
		t.Errorf("hours are to be replaced from %v on, want one behind 9, which was closed, and up to 12, which was open", first)
	}

	// As the error says.
	have = slices.DeleteFunc(have, func(p part) bool { return !p.hour.Before(gone.From) })
	if err := read(r.Hours(testContext(t), of("a"), gone.From)); err != nil {
		t.Fatal(err)
	}
	last := noon
	for u, err := range r.Hours(testContext(t), of("a"), noon) {
		if err != nil {
			t.Fatal(err)
		}
		last = u.Hour
	}
	r = openReader(t, store, bykey.Options{From: last.Add(time.Hour)})
	if err := read(r.Transactions(testContext(t), of("a"), stopped, 0)); err != nil {
		t.Fatal(err)
	}
	g := got{ids: map[string][]int{}}
	for _, p := range have {
		g.ids["a"] = append(g.ids["a"], p.ids...)
	}
	g.want(t, rows, "a")
}

// part is what a Part had.
type part struct {
	hour time.Time
	ids  []int
}

func partsOf(ctx context.Context, u *bykey.Unit) (all []part, err error) {
	for p, err := range u.Parts(ctx) {
		if err != nil {
			return nil, err
		}
		ids := []int{}
		for r, err := range bykey.Rows(ctx, p, delivery.JSONLines[row]()) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, r.ID)
		}
		all = append(all, part{p.Hour, ids})
	}
	return all, nil
}

func TestAPackThatGoesWhileItIsReadIsAnError(t *testing.T) {
	store, _ := memory()
	j := begin(t, store, keyed(true))
	j.commit(numbered(0, 10, "a", "b")...)
	r := openReader(t, store, bykey.Options{})
	var g got
	g.read(t, r, of("b")) // it knows the list of the pack
	for u, err := range r.Transactions(testContext(t), of("a"), 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range packs(t, store) {
			if err := store.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		var g got
		err = g.take(testContext(t), u)
		gone, ok := errors.AsType[*bykey.GoneError](err)
		if !ok || gone.Sealed {
			t.Errorf("got %v, want that the pack of an open hour is gone", err)
		}
		says(t, err, "Put it back")
		if g.at != 0 || len(g.ids) > 0 {
			t.Errorf("rows of a pack that is gone: %v", g.ids)
		}
	}
}

// A byte that has changed anywhere in a pack must never become a row.
func TestADamagedPackIsAnErrorAndNoRows(t *testing.T) {
	mem, _ := memory()
	flow := keyed(true)
	flow.Codec = codec.Gzip
	j := begin(t, mem, flow)
	rows := numbered(0, 50, "a", "b", "c")
	rows[0].Text = strings.Repeat("z", 200<<10) // a piece of its own
	j.commit(rows...)
	key := packs(t, mem)[0]
	body, err := mem.Read(t.Context(), key, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for at := range body {
		if err := mem.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		bad := append([]byte{}, body...)
		bad[at] ^= 1
		if err := mem.Create(t.Context(), key, bad); err != nil {
			t.Fatal(err)
		}
		r := openReader(t, mem, bykey.Options{})
		var g got
		if err := g.all(testContext(t), r, of("a", "b", "c"), 0); err == nil || !errors.Is(err, stream.ErrStop) || len(g.ids) > 0 {
			t.Fatalf("byte %d is another one: %v, rows %v", at, err, g.ids)
		}
	}
}
