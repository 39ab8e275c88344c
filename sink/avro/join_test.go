package avro_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/onceflow/onceflow/internal/hourtest"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/format"
)

// views is a merged flow whose key "large" has a third of the rows.
func views(t *testing.T, schema string, c avro.Codec) sink.Flow[view] {
	t.Helper()
	f, err := avro.New[view](schema, &avro.Options{Codec: c})
	if err != nil {
		t.Fatal(err)
	}
	key := func(v *view) string {
		if v.Country != nil {
			return "large"
		}
		return fmt.Sprint("k", v.Seconds%50)
	}
	return sink.Flow[view]{Name: "views", Format: f, Merge: true, Keys: []sink.Key[view]{{Name: "k", Value: key}}}
}

// many are rows whose seconds are their numbers.
func many(n int) []view {
	v := rows(n)
	for i := range v {
		v[i].Seconds = int64(i)
	}
	return v
}

func sorted(v []view) []view {
	slices.SortStableFunc(v, func(a, b view) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return v
}

// Files of two processes could not be joined, since each has a marker of its own.
func TestAnHourHasOneFileForEachKeyWhateverTheMarkers(t *testing.T) {
	for _, c := range codecs {
		all := many(60_000)
		h := hourtest.Write(t, hourtest.Options{},
			hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[:20_000]}, hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[20_000:20_001]},
			hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[20_001:]})
		var got []view
		for _, f := range h.Files {
			v := read(t, f.Body)
			if int64(len(v)) != f.Rows {
				t.Errorf("%s: %s has %d rows, its record says %d", c, f.Key, len(v), f.Rows)
			}
			got = append(got, v...)
		}
		if len(h.Files) != 51 || text(sorted(got)) != text(all) {
			t.Errorf("%s: %d files with %d rows, want 51 with the %d written", c, len(h.Files), len(got), len(all))
		}
	}
}

// A deploy changes the schema within an hour.
func TestASchemaThatChangedBeginsAnotherFile(t *testing.T) {
	other := strings.Replace(schema, `{"name": "seconds"`, `{"name": "site", "type": "string", "default": ""}, {"name": "seconds"`, 1)
	type wide struct {
		ID      string  `avro:"id"`
		Country *string `avro:"country"`
		Site    string  `avro:"site"`
		Seconds int64   `avro:"seconds"`
		Score   float64 `avro:"score"`
	}
	with, err := twmb.Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	wideFlow := func() format.Format[view] {
		f, err := avro.NewFunc(other, func(dst []byte, v *view) ([]byte, error) {
			return with.AppendEncode(dst, &wide{v.ID, v.Country, "onceflow", v.Seconds, v.Score})
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	all := many(40)
	old, renewed := views(t, schema, ""), views(t, schema, "")
	old.Keys, renewed.Keys, renewed.Format = nil, nil, wideFlow()
	h := hourtest.Write(t, hourtest.Options{},
		hourtest.Commit[view]{Flow: old, Rows: all[:10]}, hourtest.Commit[view]{Flow: old, Rows: all[10:20]}, hourtest.Commit[view]{Flow: renewed, Rows: all[20:]})
	if len(h.Files) != 2 {
		t.Fatalf("%d files, want one for each schema", len(h.Files))
	}
	var got []view
	for i, f := range h.Files {
		if has := bytes.Contains(f.Body, []byte(`"site"`)); has != (i == 1) || f.Rows != 20 {
			t.Errorf("%s has %d rows, and the new field: %t", f.Key, f.Rows, has)
		}
		if i == 0 {
			got = append(got, read(t, f.Body)...)
			continue
		}
		for _, v := range readAs[wide](t, f.Body) {
			got = append(got, view{v.ID, v.Country, v.Seconds, v.Score})
		}
	}
	if text(sorted(got)) != text(all) {
		t.Errorf("got the rows %s", text(got))
	}
}

func TestAJoinedFileIsCutAtItsSize(t *testing.T) {
	all := many(100_000)
	flow := views(t, schema, avro.Null)
	flow.Keys = nil
	h := hourtest.Write(t, hourtest.Options{Options: sink.Options{FileBytes: 1 << 20}}, hourtest.Commit[view]{Flow: flow, Rows: all})
	var got []view
	for _, f := range h.Files {
		if n := len(f.Body); n > 3<<19 {
			t.Errorf("%s has %d bytes", f.Key, n)
		}
		got = append(got, read(t, f.Body)...)
	}
	if len(h.Files) < 2 || text(sorted(got)) != text(all) {
		t.Errorf("%d files with %d rows, want several with the %d written", len(h.Files), len(got), len(all))
	}
}

func TestHeadersAndBlocksThatAreNoneAreErrors(t *testing.T) {
	f, err := avro.New[view](schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	join := f.(format.Joiner).Join()
	header := f.Open().Header(nil)
	for n := range header {
		if _, err := join.Begin(io.Discard, header[:n], 0); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a header", n, len(header))
		}
	}
	if _, err := join.Begin(io.Discard, append(slices.Clone(header), 0), 0); err == nil {
		t.Error("a header with a byte behind it is taken for one")
	}
	if _, err := join.Begin(io.Discard, bytes.Replace(header, []byte("deflate"), []byte("deflale"), 1), 0); err == nil {
		t.Error("a codec that is none is taken for one")
	}
	file, err := join.Begin(io.Discard, header, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Block([]byte("x"), 1); err == nil {
		t.Error("a byte is taken for a block")
	}
	if join.Alike(nil, nil) || join.Alike(header, header[1:]) || !join.Alike(header, header) {
		t.Error("headers are taken for alike that are none, or not if they are one")
	}
}

func TestForeignReaderOfMergedFiles(t *testing.T) {
	libs := fastavro(t)
	dir := t.TempDir()
	all := many(30_000)
	for _, c := range codecs {
		h := hourtest.Write(t, hourtest.Options{},
			hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[:100]}, hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[100:]})
		for i, f := range h.Files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(c, "-", i, ".avro")), f.Body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "python3", "-c", `
import sys, glob, json, fastavro
print(json.dumps([r for n in glob.glob(sys.argv[1]) for r in fastavro.reader(open(n, "rb"))]))`, filepath.Join(dir, string(c)+"-*.avro"))
		cmd.Env = append(os.Environ(), "PYTHONPATH="+libs)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		var got []view
		if err := json.Unmarshal(out, &got); err != nil || text(sorted(got)) != text(all) {
			t.Errorf("%s: fastavro read %d rows, other than were written: %v", c, len(got), err)
		}
	}
}

// A checker that was written from docs/format.md alone compares the rows of merged files with those of their packs.
func TestMergedFilesAreThoseOfTheFormatsDescription(t *testing.T) {
	all := many(30_000)
	for _, c := range codecs {
		h := hourtest.Write(t, hourtest.Options{},
			hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[:20_000]}, hourtest.Commit[view]{Flow: views(t, schema, c), Rows: all[20_000:]})
		if said, well := h.Verify(t, nil); !well || !strings.Contains(said, "into 51 files with 30,000 rows, of 51 of which the rows are those of the packs") {
			t.Errorf("%s:\n%s", c, said)
		}
	}
}
