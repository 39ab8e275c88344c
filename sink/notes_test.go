package sink_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func note(at time.Time, rows int64, body string) record.Note {
	return record.Note{Name: "seen", Time: at, Rows: rows, Body: []byte(body)}
}

// commitNotes commits what was written, with notes of the first lane.
func (in *instance) commitNotes(notes ...record.Note) error {
	cut := in.cut()
	cut.Lanes[0].Notes = notes
	txn := in.txn
	_, err := txn.Commit(testContext(in.t), cut)
	in.txn = in.out.Begin(txn)
	return err
}

// readNotes returns the notes of the hour that at is in, with a bar behind each file.
func readNotes(t *testing.T, store sink.Store, at time.Time) string {
	t.Helper()
	n, err := sink.OpenNotes(t.Context(), store, "job", "seen", nil)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for o, err := range n.List(t.Context(), at) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := n.Open(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		all.WriteByte('|')
	}
	return all.String()
}

func TestNotesAreCommittedWithTheirTransaction(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, &sink.SealOptions{}, nil, rowsFlow("rows"))
	in.acquire("0")
	in.write("0", noon, 1)
	if err := in.commitNotes(note(noon, 2, "ab"), note(noon.Add(-3*time.Hour), 1, "c"), note(noon.Add(time.Minute), 1, "d")); err != nil {
		t.Fatal(err)
	}
	in.write("0", noon, 2)
	if err := in.commitNotes(note(noon, 1, "e")); err != nil {
		t.Fatal(err)
	}
	if got := readNotes(t, store, noon); got != "abd|e|" {
		t.Errorf("the hour of noon has %q, want a file of each transaction", got)
	}
	if got := readNotes(t, store, noon.Add(-3*time.Hour)); got != "c|" {
		t.Errorf("an hour of long ago has %q", got)
	}
	var m manifest.Transaction
	for t2, err := range sink.Committed(t.Context(), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		m = t2
		break
	}
	files, rows := 0, int64(0)
	for _, f := range m.Files {
		if f.Kind == manifest.Note {
			files, rows = files+1, rows+f.Rows
			if !strings.HasPrefix(f.Key, "_notes/job/seen/day=") {
				t.Errorf("notes lie in %s", f.Key)
			}
		}
	}
	if s := m.Flows["rows"]; files != 2 || rows != 4 || len(m.Flows) != 1 || s.Rows != 1 {
		t.Errorf("the manifest has %d files of notes with %d rows, and the flows %v, want 2 with 4, and 1 row of one flow", files, rows, m.Flows)
	}
	state, err := sink.Inspect(t.Context(), store, "job", nil)
	if err != nil || len(state.OpenHours) != 1 || state.Rows != 2 {
		t.Errorf("open hours %v, %d rows, %v: notes are no data", state.OpenHours, state.Rows, err)
	}
}

// Notes of work that is void must not be seen: another process has read the records, and notes them.
func TestNotesOfAVoidTransactionAreNotSeen(t *testing.T) {
	store, _ := memory(noon)
	one, two := open(t, store, nil, nil, rowsFlow("rows")), open(t, store, nil, nil, rowsFlow("rows"))
	one.acquire("0")
	one.write("0", noon, 1)
	two.acquire("0")
	two.write("0", noon, 1)
	if err := two.commitNotes(note(noon, 1, "two")); err != nil {
		t.Fatal(err)
	}
	if err := one.commitNotes(note(noon, 1, "one")); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("a commit of a lane that another took: %v, want ErrFenced", err)
	}
	if got := readNotes(t, store, noon); got != "two|" {
		t.Errorf("noted is %q, want what was committed", got)
	}
}

func TestNotesWithoutRowsOfTheirOwnAreCommitted(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("0")
	in.consume("0", noon, record.Duplicate)
	if err := in.commitNotes(note(noon, 1, "a")); err != nil {
		t.Fatal(err)
	}
	if got := readNotes(t, store, noon); got != "a|" {
		t.Errorf("noted is %q", got)
	}
}

func TestNotesThatNobodyCouldReadStopTheJob(t *testing.T) {
	for name, n := range map[string]record.Note{
		"no name": {Time: noon, Rows: 1}, "a path": {Name: "a/b", Time: noon, Rows: 1}, "no time": {Name: "a", Rows: 1}, "no rows": {Name: "a", Time: noon},
	} {
		store, _ := memory(noon)
		in := open(t, store, nil, nil, rowsFlow("rows"))
		in.acquire("0")
		in.write("0", noon, 1)
		if err := in.commitNotes(n); !errors.Is(err, driver.ErrStop) {
			t.Errorf("%s: %v, want an error that stops the job", name, err)
		}
		if got := keys(t, store, "rows/"); len(got) > 0 {
			t.Errorf("%s: committed is %v", name, got)
		}
	}
	if _, err := sink.OpenNotes(t.Context(), sinktest.NewMemory(), "job", "seen", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("notes of a job that has not begun: %v", err)
	}
}
