package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	source "github.com/onceflow/onceflow/stream/file"
)

type hit struct {
	ID   int       `json:"id"`
	Page string    `json:"page"`
	Time time.Time `json:"time"`
}

// realOutput makes an output folder by the library itself.
func realOutput(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := sinkfile.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	writeReal(t, store)
	return dir
}

// writeReal lets the library write all formats and codecs, folder keys, dead letters and empty hours. Each row of the CSV
// has a line's end in it.
func writeReal(t *testing.T, store sink.Store) {
	t.Helper()
	in := t.TempDir()
	for part := range 3 {
		var b bytes.Buffer
		for i := range 4000 {
			when := at(0, 0).Add(time.Duration(i) * 3 * time.Second)
			if i > 2000 {
				when = when.Add(3 * time.Hour)
			}
			line, _ := json.Marshal(hit{i, fmt.Sprintf("/shop/%d?é=%d", i%7, part), when})
			if i%500 == 499 {
				line = []byte("{broken")
			}
			b.Write(append(line, '\n'))
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%d.jsonl", part)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	hits := hitsIn(t, in)
	row := func(r *format.Row, h *hit) {
		r.Int(int64(h.ID))
		r.String("two\nlines, " + h.Page)
		r.Time(h.Time)
	}
	page := []sink.Key[hit]{{Name: "page", Value: func(h *hit) string { return h.Page }}}
	few := func(h *hit) bool { return h.ID%3 == 0 }
	files, err := sink.Open(t.Context(), store, "etl", []sink.Flow[hit]{
		{Name: "all", Format: format.JSONLines[hit](), Codec: codec.Zstd},
		{Name: "pages", Format: format.CSV([]string{"id", "page", "time"}, row, nil), Codec: codec.Gzip, Keys: page},
		{Name: "few", Where: few, Format: format.TSV([]string{"id", "page", "time"}, row), Codec: codec.LZ4},
		{Name: "quoted", Where: few, Format: format.CSV(nil, row, &format.CSVOptions{Comma: '\t'}), Codec: codec.Snappy},
		{Name: "lines", Format: format.Lines(".log", func(dst []byte, h *hit) ([]byte, error) { return append(dst, h.Page...), nil }), Codec: codec.S2},
		{Name: "plain", Where: few, Format: format.JSONLines[hit]()},
		{Name: "never", Where: func(*hit) bool { return false }, Format: format.JSONLines[hit]()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Run(t.Context(), hits, seal.Hourly(files, nil), &stream.Options{CommitBytes: 200 << 10})
	if err != nil {
		t.Fatal(err)
	}
}

// What the library writes passes, every row counted; and what is done to it afterwards is found.
func TestRealOutputPassesUntilItIsChanged(t *testing.T) {
	dir := realOutput(t)
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{dir, "-job", "etl"}, &out, &errOut); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, &out, &errOut)
	}
	for _, want := range []string{"12,000 read = 11,976 written + 0 merged + 0 filtered + 0 duplicate + 0 late + 24 dead + 0 pending", "all is well"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q, but\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "not known") {
		t.Errorf("it did not count all rows:\n%s", &out)
	}
	n := 0
	for o, err := range bucket.Folder(dir).List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		control := strings.HasPrefix(o.Key, "_onceflow/")
		if strings.Contains(o.Key, "/owners/") || strings.Contains(o.Key, "/probe/") || !control && n%13 != 0 {
			continue // an owner may have staged nothing; of the many data files some are enough
		}
		changeAndCheck(t, dir, o.Key, n)
	}
}

// changeAndCheck flips a bit of an object, takes it away, and puts it back.
func changeAndCheck(t *testing.T, dir, key string, i int) {
	t.Helper()
	name := filepath.Join(dir, filepath.FromSlash(key))
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wrong := append(bytes.Clone(body), 'x') // a seal is empty
	if len(body) > 0 {
		wrong = bytes.Clone(body)
		wrong[i*7919%len(wrong)] ^= 4
	}
	for what, change := range map[string]func() error{
		"changed": func() error { return os.WriteFile(name, wrong, 0o666) },
		"missing": func() error { return os.Remove(name) },
	} {
		if what == "missing" && bytes.Contains(body, []byte(`"kind":"mark"`)) {
			continue // nothing tells that the last entry is gone, if it only marks
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		var out, errOut bytes.Buffer
		if code := run(t.Context(), []string{dir}, &out, &errOut); code == 0 {
			t.Errorf("%s %s, and all is well:\n%s%s", key, what, &out, &errOut)
		}
		if err := os.WriteFile(name, body, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheCommandSaysHowItIsUsed(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "usage: verify DIR|s3://BUCKET"},
		{[]string{"-h"}, 0, "usage: verify DIR|s3://BUCKET"},
		{[]string{"a", "b"}, 2, "usage: verify DIR|s3://BUCKET"},
		{[]string{empty}, 2, "there is no job"},
		{[]string{filepath.Join(empty, "no")}, 2, "no such file"},
		{[]string{"-job", "other", empty}, 2, `there is no job "other"`},
		{[]string{"ftp://bucket/x"}, 2, "none of s3:// and gs://"},
		{[]string{"gs:///x"}, 2, "names no bucket"},
		{[]string{empty, "-endpoint", "http://127.0.0.1"}, 2, "-endpoint is for s3"},
	} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), c.args, &out, &errOut); code != c.code || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%q: got exit %d and %q, want %d and %q", c.args, code, errOut.String(), c.code, c.want)
		}
	}
}

// Of two jobs in one folder each may be checked alone; the files of the other are no strays, and its faults not ours.
func TestJobsMayShareAFolder(t *testing.T) {
	w, other := good(t), goodAt(t, "y/", "another")
	w.write(t)
	other.write(t)
	maps.Copy(w.m, other.m)
	delete(w.m, "y/rows/day=2025-05-01/hour=06/o1-1-0.jsonl.gz")
	for job, want := range map[string]int{"": 1, "job": 0, "another": 1} {
		var out bytes.Buffer
		r := &report{out: &out, most: 100}
		if err := verify(t.Context(), w.m, job, r); err != nil || r.violations != want {
			t.Errorf("job %q: got %v, %d violations, want %d:\n%s", job, err, r.violations, want, &out)
		}
	}
}

// hitsIn are the hits in the files of a folder.
func hitsIn(t *testing.T, dir string) stream.Pipe[hit] {
	t.Helper()
	src, err := source.Open(source.Config{Dir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stream.Via(stream.From(src), stream.Decode(
		func(r *stream.Record) (h hit, err error) { return h, json.Unmarshal(r.Value, &h) },
		func(h *hit) time.Time { return h.Time }))
}
