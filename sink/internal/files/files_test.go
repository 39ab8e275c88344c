package files_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/files"
	streamdriver "github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// desk stages files in memory.
type desk struct {
	mu     sync.Mutex
	staged map[string]*upload
	refuse error // of all writes

	forgets bool // what is written
}

type upload struct {
	d       *desk
	body    []byte
	live    context.Context
	aborted bool
}

func (d *desk) stage(_, live context.Context, folder, ext string) (driver.Upload, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := fmt.Sprint(folder, len(d.staged), ext)
	u := &upload{d: d, live: live}
	d.staged[key] = u
	return u, key, nil
}

func (u *upload) Write(p []byte) (int, error) {
	if u.d.refuse != nil {
		return 0, u.d.refuse
	}
	if !u.d.forgets {
		u.body = append(u.body, p...)
	}
	return len(p), u.live.Err()
}

func (u *upload) Close(context.Context) ([]byte, error) { return []byte("ref"), u.live.Err() }
func (u *upload) Abort(context.Context) error           { u.aborted = true; return u.live.Err() }
func (u *upload) Gathered() int64                       { return int64(len(u.body)) }

// open makes a transaction of two workers, whose files are cut at 1 MiB.
func open(limit int64, flows ...files.Flow[string]) (*desk, *streamdriver.Budget, *files.Set, *files.Writers[string]) {
	d, b, e := &desk{staged: map[string]*upload{}}, streamdriver.NewBudget(limit), env.Default()
	pool := files.NewPool(files.Config[string]{
		Layout: files.Layout{Prefix: "p/", Hour: time.Hour, Packs: func(time.Time) string { return "packs/" }}, Flows: flows, Workers: 2, Budget: b, Env: e,
	})
	set := files.NewSet(d.stage, 1<<20, e, b)
	return d, b, set, pool.Writers(set)
}

func flow(name string) files.Flow[string] {
	return files.Flow[string]{
		Name: name, Codec: codec.None, Format: format.Lines(".txt", func(dst []byte, s *string) ([]byte, error) {
			return append(dst, *s...), nil
		}),
	}
}

func rows(n int, text string) (evs []record.Event[string], fates []record.Fate) {
	for range n {
		evs = append(evs, record.Event[string]{Value: text, Time: noon})
	}
	return evs, make([]record.Fate, n)
}

func write(t *testing.T, w *files.Writers[string], worker int, deadline time.Time, n int, text string) {
	t.Helper()
	evs, fates := rows(n, text)
	if bad, err := w.Write(t.Context(), worker, deadline.Unix(), evs, fates); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
}

// Rows go by flow, hour and lateness, dead letters by the hour of reading; the list says what was staged.
func TestTheListOfFilesTellsWhatWasStaged(t *testing.T) {
	keyed, dropping := flow("keyed"), flow("dropping")
	keyed.Keys = []files.Key[string]{{Name: "k", Value: func(s *string) string { return (*s)[:1] }}}
	dropping.DropLate = true
	d, _, set, w := open(0, flow("plain"), keyed, dropping)
	write(t, w, 0, noon, 2, "ab")
	write(t, w, 1, noon, 3, "/b")
	write(t, w, 1, noon.Add(time.Hour), 4, "late")
	if err := w.Reject(t.Context(), 0, []streamdriver.DeadLetter{{Read: noon.Add(3 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	list, err := set.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, f := range list {
		folder := f.Key[:strings.LastIndex(f.Key, "/")]
		got[folder] += f.Rows
		if u := d.staged[f.Key]; u == nil || int64(len(u.body)) != f.Length || u.aborted || string(f.Ref) != "ref" {
			t.Errorf("%+v does not tell what was staged: %+v", f, u)
		}
	}
	hour := "day=2025-05-01/hour=12"
	if want := map[string]int64{
		"p/plain/" + hour: 5, "p/keyed/" + hour + "/k=a": 2, "p/keyed/" + hour + "/k=%2F": 3, "p/dropping/" + hour: 5,
		"p/late/plain/" + hour: 4, "p/late/keyed/" + hour + "/k=l": 4, "p/dead/day=2025-05-01/hour=15": 1,
	}; !maps.Equal(got, want) {
		t.Errorf("rows by folder %v, want %v", got, want)
	}
	if got := w.Dropped(); !maps.Equal(got, map[string]int64{"dropping": 4}) {
		t.Errorf("dropped %v, want 4 of dropping", got)
	}
	if !slices.IsSortedFunc(list, func(a, b files.File) int { return strings.Compare(a.Key, b.Key) }) {
		t.Error("the list is not in the order of keys")
	}
}

// Whatever becomes of a transaction, its end gives all memory back to the budget.
func TestTheBudgetIsEvenWhenATransactionIsOver(t *testing.T) {
	for name, end := range map[string]func(*files.Set) error{
		"finished": func(s *files.Set) error { _, err := s.Finish(t.Context()); return err },
		"aborted":  func(s *files.Set) error { return s.Abort(t.Context()) },
	} {
		zipped := flow("zipped")
		zipped.Codec = codec.Gzip
		d, b, set, w := open(0, flow("plain"), zipped)
		write(t, w, 0, noon, 10_000, strings.Repeat("x", 100))
		write(t, w, 1, noon, 10, "y")
		if b.Used() < 256<<10 {
			t.Errorf("%s: %d bytes are counted while rows wait, which is too little", name, b.Used())
		}
		if err := end(set); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if b.Used() != 0 {
			t.Errorf("%s: %d bytes are counted after the end", name, b.Used())
		}
		for key, u := range d.staged {
			if u.aborted != (name == "aborted") || u.live.Err() == nil {
				t.Errorf("%s: %s was aborted: %v; its context: %v", name, key, u.aborted, u.live.Err())
			}
		}
	}
}

// Over the limit, a worker writes its buffers out, and uploads that gather bytes are closed, so that others are begun.
func TestRowsDoNotWaitForMemory(t *testing.T) {
	const limit = 1 << 20
	_, b, set, w := open(limit, flow("a"), flow("b"), flow("c"))
	for range 100 {
		write(t, w, 0, noon, 100, strings.Repeat("x", 300))
		if b.Used() > 2*limit {
			t.Fatalf("%d bytes are kept, the limit is %d", b.Used(), limit)
		}
	}
	list, err := set.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, f := range list {
		n += f.Rows
	}
	if n != 30_000 || len(list) < 6 {
		t.Errorf("%d rows in %d files, want 30000 in several of each flow", n, len(list))
	}
}

// A row that an upload has refused is in no file that is complete.
func TestNothingIsFinishedAfterAWriteFailed(t *testing.T) {
	d, _, set, w := open(0, flow("a"))
	d.refuse = errors.New("disk full")
	evs, fates := rows(10_000, strings.Repeat("x", 100))
	if _, err := w.Write(t.Context(), 0, noon.Unix(), evs, fates); !errors.Is(err, d.refuse) {
		t.Errorf("Write: got %v, want what the upload said", err)
	}
	d.refuse = nil
	if list, err := set.Finish(t.Context()); err == nil {
		t.Errorf("Finish: got %v and no error", list)
	}
	if err := set.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAWorkerThatIsNoneIsRefused(t *testing.T) {
	_, _, _, w := open(0, flow("a"))
	for _, n := range []int{-1, 2} {
		if _, err := w.Write(t.Context(), n, 0, nil, nil); !errors.Is(err, streamdriver.ErrStop) {
			t.Errorf("worker %d: got %v, want an error that ends the job", n, err)
		}
	}
}
