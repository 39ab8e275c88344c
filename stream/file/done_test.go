package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// always says that a file will never grow.
func always(string, time.Time) bool { return true }

// followed opens a source that looks at the folder at every Poll.
func followed(t *testing.T, dir string) *Source {
	t.Helper()
	return open(t, Config{Dir: dir}, &Options{Follow: true, Poll: time.Nanosecond, Complete: always})
}

// until polls until the source has said what is wanted. Lanes that end are said to be committed at once.
func (r *reading) until(done func() bool) {
	r.t.Helper()
	for i := 0; !done(); i++ {
		if i > 20_000 {
			r.t.Fatal("the source does not come to it")
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		err := r.poll(ctx, false)
		cancel()
		if err != nil {
			r.t.Fatal(err)
		}
		for p, g := range r.progress {
			if g.Ended && r.s.byID[p.ID] != nil {
				r.s.Finish([]string{"files/" + p.ID})
			}
		}
	}
}

// Each finished file once kept its lane, and what the last look knew of it, until the process ended.
func TestFinishedFilesKeepHashesOnly(t *testing.T) {
	files := map[string]string{"grows": "x\n"}
	for i := range 100 {
		files[fmt.Sprint("f", i)] = fmt.Sprintf("%d\n", i)
	}
	dir := folder(t, files)
	s, grows := followed(t, dir), true
	s.opts.Complete = func(path string, _ time.Time) bool { return path != "grows" || !grows }
	r := newReading(t, s)
	r.until(func() bool { return len(s.files.done) == 100 })
	if len(s.lanes) != 1 || len(s.byID) != 1 || len(s.files.seen) != 1 || len(s.ends.marks) > 1 || len(s.open) > 1 {
		t.Errorf("%d lanes, %d names, %d files, %d ends and %d open files are kept, want those of the file that grows",
			len(s.lanes), len(s.byID), len(s.files.seen), len(s.ends.marks), len(s.open))
	}
	parts, err := s.Partitions(t.Context())
	if err != nil || len(parts) != 101 {
		t.Errorf("%d partitions are listed, %v, want all that lie in the folder", len(parts), err)
	}
	for i := range 100 {
		if err := os.Remove(filepath.Join(dir, fmt.Sprint("f", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.files.look(); err != nil || len(s.files.done) != 0 {
		t.Errorf("hashes of %d files are kept that are gone, %v", len(s.files.done), err)
	}
	if len(r.lanes) != 101 {
		t.Errorf("%d lanes were assigned, want each file once", len(r.lanes))
	}
}

// A name that is used again was an error, and the job had to be started again to read the new file.
func TestANewFileUnderTheNameOfAFinishedOneIsRead(t *testing.T) {
	dir := folder(t, map[string]string{"a": "one\n"})
	s := followed(t, dir)
	r := newReading(t, s)
	r.until(func() bool { return len(s.files.done) == 1 })
	put(t, filepath.Join(dir, "a"), "another\n")
	r.until(func() bool { return len(r.got) == 2 && len(s.files.done) == 1 })
	same(t, "records", r.got, []string{"a:1:one", "a:1:another"})
}

// A lane that is said to be over and whose file has changed since is looked through first.
func TestLinesAddedToAFinishedFileAreRefusedByTheNextRun(t *testing.T) {
	dir := folder(t, map[string]string{"a": "one\ntwo\n"})
	s := followed(t, dir)
	b, err := s.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := b.Assigned[0].Partitions[0]
	st := driver.Start{Lane: b.Assigned[0].Lane, From: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: 1}, Ended: true}}}
	if err := s.Start(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	s.Finish([]string{st.Lane})
	if _, err := s.Poll(t.Context()); err == nil {
		t.Error("a line behind the end of a finished file is passed over")
	}
}

// All files of a folder were once assigned at once, each with its stages: 148,000 of them needed more memory than there was.
func TestLanesComeInPortions(t *testing.T) {
	files := map[string]string{}
	for i := range portion + fewLanes + 1 {
		files[fmt.Sprintf("f%05d", i)] = "x\n"
	}
	s := open(t, Config{Dir: folder(t, files)}, nil)
	r := newReading(t, s)
	if err := r.poll(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if len(r.lanes) != portion {
		t.Fatalf("%d lanes come first, want %d", len(r.lanes), portion)
	}
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	if len(r.lanes) != len(files) || len(r.got) != len(files) || !slices.IsSorted(r.lanes) {
		t.Errorf("%d lanes in order %v and %d records, want %d of each", len(r.lanes), slices.IsSorted(r.lanes), len(r.got), len(files))
	}
}
