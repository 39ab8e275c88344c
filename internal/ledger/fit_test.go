package ledger

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

func blobName(i int) string { return BlobName(token(5), i) }

// bodies are the objects that must exist before the entry, by key.
func bodies(t *testing.T, parts []Detached) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	for _, p := range parts {
		if len(p.Body) > MaxBlob || out[p.Key] != nil {
			t.Errorf("blob %s of %d bytes is too long or there twice", p.Key, len(p.Body))
		}
		out[p.Key] = p.Body
	}
	return out
}

// fitted fits e, and folds it as a reader does.
func fitted(t *testing.T, s *State, e *Entry) (*Entry, map[string][]byte) {
	t.Helper()
	s.Prepare(e)
	parts, err := e.Fit(0, blobName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(e); err != nil {
		t.Fatal(err)
	}
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	blobs := bodies(t, parts)
	d, err := Decode(e.ID, body)
	if err != nil {
		t.Fatal(err)
	}
	if b := d.Detached(); b != nil {
		wantCorrupt(t, "it is folded without its blob", s.Clone().Fold(d, HashOf(body)))
		wantCorrupt(t, "another blob is attached", d.Attach(append([]byte("x"), blobs[b.Key]...)))
		if err := d.Attach(blobs[b.Key]); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := d.Encode(); err != nil || string(again) != string(body) {
		t.Errorf("it is encoded in another way once its parts are attached: %v", err)
	}
	if err := s.Fold(d, HashOf(body)); err != nil {
		t.Fatal(err)
	}
	return d, blobs
}

func TestFitMovesFilesFirst(t *testing.T) {
	s := newState(t)
	e := commit(lane(s, "a", 500, clock("10:00"), time.Time{}).pending(clock("10:00"), 2, 4))
	for i := range 1000 {
		e.Commit.Files = append(e.Commit.Files, File{Flow: "views", Hour: clock("10:00"), Key: fmt.Sprintf("views/%04d", i), Length: 1, Rows: 2, Ref: []byte("ref")})
	}
	e.Commit.Hours = SumHours(e.Commit.Files)
	s.Prepare(e)
	if _, err := e.Encode(); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
	d, blobs := fitted(t, s, e)
	if len(blobs) != 1 || d.Commit.FilesBlob == nil || len(d.Commit.Files) != 0 || d.Commit.Lanes[0].Partitions[0].PendingBlob != nil {
		t.Fatalf("%d blobs, files blob %v: want one, of the files", len(blobs), d.Commit.FilesBlob)
	}
	files, err := DecodeFiles(d.Commit.FilesBlob, blobs[d.Commit.FilesBlob.Key])
	if err != nil || !reflect.DeepEqual(files, e.Commit.Files) {
		t.Errorf("files do not come back: %v", err)
	}
	if h := s.Hours.Open[clock("10:00")]; h.Files != 1000 || h.Rows != 2000 || len(s.Unpublished[1].Hours) != 1 {
		t.Errorf("hour is %+v, pending %v", *h, s.Unpublished)
	}
	wantCorrupt(t, "another blob", second(DecodeFiles(d.Commit.FilesBlob, []byte("x"))))
}

func second[T any](_ T, err error) error { return err }

func TestFitMovesLongPendingSets(t *testing.T) {
	s := newState(t)
	every := func(name string, n, step int64) LaneCommit {
		var at []int64
		for i := range n {
			at = append(at, 1+step*i+i*i%step)
		}
		return lane(s, name, step*n, clock("10:00"), time.Time{}).pending(clock("09:00"), at...)
	}
	e := commit(every("a", 100, 50), every("b", 60_000, 50), every("c", 1000, 50))
	want := e.Commit.Lanes[1].Partitions[0].Progress.Pending
	d, blobs := fitted(t, s, e)
	p := &d.Commit.Lanes[1].Partitions[0]
	if len(blobs) != 1 || p.PendingBlob == nil || p.PendingLen != 60_000 || p.Progress.Pending.Len() != 0 || d.Commit.Lanes[0].Partitions[0].PendingBlob != nil {
		t.Fatalf("%d blobs, pending blob of b %v: want that only", len(blobs), p.PendingBlob)
	}
	sets, err := DecodePending(p.PendingBlob, blobs[p.PendingBlob.Key])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sets.Set(p.PendingBlob, driver.PendingSet{}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("pending set does not come back: %v", err)
	}
	if _, chain := s.Lanes.Resume(part("b")); len(chain) != 1 || s.Lanes.Partitions[part("b")].PendingLen != 60_000 {
		t.Errorf("the state names the blobs %v, want one", chain)
	}
	wantCorrupt(t, "another blob", second(DecodePending(p.PendingBlob, []byte("x"))))
}

// An instance that holds thousands of partitions can commit too.
func TestFitMovesLanesLast(t *testing.T) {
	s := newState(t)
	var lanes []LaneCommit
	for i := range 2000 {
		lanes = append(lanes, lane(s, fmt.Sprintf("lane-%05d", i), 5, clock("10:00"), time.Time{}))
	}
	e := commit(lanes...)
	for i := range 500 {
		e.files(day.Add(time.Duration(i) * time.Hour))
	}
	d, blobs := fitted(t, s, e)
	if len(blobs) != 2 || d.Commit.BodyBlob == nil || len(d.Commit.Lanes) != 2000 || len(s.Lanes.Partitions) != 2000 || len(s.Hours.Open) != 500 {
		t.Errorf("%d blobs, %d lanes, %d partitions, %d hours", len(blobs), len(d.Commit.Lanes), len(s.Lanes.Partitions), len(s.Hours.Open))
	}
	if d.Detached() != nil {
		t.Error("something is missing after Attach")
	}
}

func TestFitLeavesShortEntriesAlone(t *testing.T) {
	s := newState(t)
	for _, e := range []*Entry{commit(lane(s, "a", 5, clock("10:00"), time.Time{})), mark(1), retire(s, "a", "b")} {
		s.Prepare(e)
		if parts, err := e.Fit(0, blobName); err != nil || len(parts) > 0 {
			t.Errorf("%s: %d parts, %v", e.Kind, len(parts), err)
		}
	}
}

func TestAttachRefusesABlobWithOtherForm(t *testing.T) {
	s := newState(t)
	e := commit(lane(s, "a", 5, clock("10:00"), time.Time{}))
	s.Prepare(e)
	body, err := e.Commit.body()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := pack(&bodyBlobJSON{blobHeader{Format, MinReader}, body})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string][2]string{
		"as it was":        {"", ""},
		"an unknown field": {`"lanes"`, `"x":1,"lanes"`},
		"lanes twice":      {`"lanes"`, `"lanes":[],"lanes"`},
		"no lanes":         {`"lanes"`, `"hours"`},
		"a bad token":      {string(token(7)), strings.Repeat("g", 32)},
		"a bad position":   {`"up_to":"5"`, `"up_to":"05"`},
	} {
		b := resign(blob, c[0], c[1])
		missing := *e
		missing.Commit = &Commit{BodyBlob: NewBlob("k", b)}
		if err := missing.Attach(b); (err == nil) != (c[0] == "") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestNamesComeBackAndSort(t *testing.T) {
	ids := []uint64{1, 9, 10, 64, 1 << 40, 1<<64 - 1}
	for i, n := range ids {
		for what, f := range map[string]struct {
			name  func(uint64) string
			parse func(string) (uint64, bool)
		}{"entry": {EntryName, ParseEntryName}, "snapshot": {SnapshotName, ParseSnapshotName}, "manifest": {ManifestName, ParseManifestName}} {
			if got, ok := f.parse(f.name(n)); !ok || got != n {
				t.Errorf("%s %d: %q is parsed as %d, %v", what, n, f.name(n), got, ok)
			}
			if i > 0 && f.name(ids[i-1]) >= f.name(n) {
				t.Errorf("%s names of %d and %d do not sort", what, ids[i-1], n)
			}
			for _, bad := range []string{"", f.name(n) + "x", "x" + f.name(n), f.name(0), "s0000/1", "s0000/-0000000000000000001"} {
				if got, ok := f.parse(bad); ok {
					t.Errorf("%s: %q is parsed as %d", what, bad, got)
				}
			}
		}
	}
	at := time.Date(2025, 5, 1, 6, 15, 0, 0, time.UTC)
	for hour, want := range map[time.Duration]string{
		24 * time.Hour: "hours/2025-05-01T00.json", time.Hour: "hours/2025-05-01T06.json", 15 * time.Minute: "hours/2025-05-01T0615.json",
	} {
		start := at.Truncate(hour)
		if got := HourName(start, hour); got != want {
			t.Errorf("hour of %s: %q, want %q", hour, got, want)
		}
		if got, ok := ParseHourName(want, hour); !ok || !got.Equal(start) {
			t.Errorf("%q is parsed as %s, %v", want, got, ok)
		}
		if _, ok := ParseHourName("hours/2025-5-1T06.json", hour); ok {
			t.Error("a name in another form is parsed")
		}
	}
	if got := Root("raw/", "etl", 1) + EntryName(7); got != "raw/_onceflow/etl/e0001/s0000/00000000000000000007" {
		t.Errorf("entry 7 is at %q", got)
	}
}
