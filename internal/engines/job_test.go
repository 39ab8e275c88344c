package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/parquet"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// kind is a kind of files, which a flow of its own has. Its name is the extension without the first dot.
type kind struct {
	name   string
	format format.Format[event]
	codec  codec.Codec
	frame  string // with which each frame begins
}

func kinds() []kind {
	lines := format.JSONLines[event]()
	csv := format.CSV(header, fields, nil)
	tsv := format.TSV(header, fields)
	block, err := avro.For[event](nil)
	if err != nil {
		panic(err)
	}
	columns, err := parquet.For[event](nil)
	if err != nil {
		panic(err)
	}
	const gzip, zstd, lz4, snappy = "\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18", "\xff\x06\x00\x00sNaPpY"
	return []kind{
		{"jsonl", lines, codec.None, ""},
		{"jsonl.gz", lines, codec.Gzip, gzip},
		{"jsonl.zst", lines, codec.Zstd, zstd},
		{"jsonl.lz4", lines, codec.LZ4, lz4},
		{"jsonl.sz", lines, codec.Snappy, snappy},
		{"csv.gz", csv, codec.Gzip, gzip},
		{"csv.zst", csv, codec.Zstd, zstd},
		{"tsv.gz", tsv, codec.Gzip, gzip},
		{"avro", block, nil, ""},
		{"parquet", columns, nil, ""},
	}
}

func fields(r *format.Row, e *event) {
	r.Int(e.ID)
	r.Int(e.N)
	r.Float(e.Price)
	r.Bool(e.OK)
	r.String(e.Text)
	if e.Note == nil {
		r.Null()
	} else {
		r.String(*e.Note)
	}
	r.Time(e.At)
	r.String(e.Place)
}

// flows has a flow for each kind, and one of some of the events, so that an event is in two flows with one extension. The key of
// that one has the name of a field.
func flows(kinds []kind) (all []sink.Flow[event]) {
	keys := []sink.Key[event]{{Name: "site", Value: (*event).place}}
	for _, k := range kinds {
		all = append(all, sink.Flow[event]{Name: k.name, Format: k.format, Codec: k.codec, Keys: keys})
	}
	keys = []sink.Key[event]{{Name: "place", Value: (*event).place}}
	return append(all, sink.Flow[event]{Name: "some", Where: (*event).isOK, Format: format.JSONLines[event](), Codec: codec.Gzip, Keys: keys})
}

// write runs a job three times: it commits, it commits more and seals all hours, and it gets late rows and a record that is dead.
func write(ctx context.Context, store sink.Store, in string, kinds []kind) error {
	for n, files := range inputs() {
		for i, events := range files {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			for j := range events {
				if err := enc.Encode(&events[j]); err != nil {
					return err
				}
			}
			if n == 2 {
				b.WriteString("no JSON\n")
			}
			if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%d-%d.ndjson", n, i)), b.Bytes(), 0o600); err != nil {
				return err
			}
		}
		if err := run(ctx, store, in, kinds, n > 0); err != nil {
			return fmt.Errorf("run %d: %w", n+1, err)
		}
	}
	return nil
}

func run(ctx context.Context, store sink.Store, in string, kinds []kind, seals bool) error {
	src, err := file.Open(file.Config{Dir: in}, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	out, err := sink.Open(ctx, store, "etl", flows(kinds), nil)
	if err != nil {
		return err
	}
	events := stream.Via(stream.From(src), stream.Decode(parse, (*event).time))
	opts := &stream.Options{Parallel: 2}
	if seals {
		return stream.Run(ctx, events, seal.Hourly(out, nil), opts)
	}
	return stream.Run(ctx, events, out, opts)
}

// temp is the folder of all that the tests share, stops ends the servers. Tests of this package are not parallel.
var (
	temp  string
	stops []func()
)

func TestMain(m *testing.M) {
	var err error
	if temp, err = os.MkdirTemp("", "onceflow-engines-"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, stop := range stops {
		stop()
	}
	_ = os.RemoveAll(temp)
	os.Exit(code)
}

// onDisk makes the output once, and returns its folder.
var onDisk = sync.OnceValues(func() (string, error) {
	in, out := filepath.Join(temp, "in"), filepath.Join(temp, "out")
	if err := errors.Join(os.Mkdir(in, 0o700), os.Mkdir(out, 0o755)); err != nil {
		return "", err
	}
	store, err := sinkfile.Open(out, nil)
	if err != nil {
		return "", err
	}
	return out, write(context.Background(), store, in, kinds())
})

func output(t *testing.T) string {
	t.Helper()
	dir, err := onDisk()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// What the readers get must have what they could stumble over: several frames in a file, several files in a folder, seals, late
// rows, dead letters and escaped keys. Else the tests prove less than they say.
func TestTheOutputHasAllThatReadersCouldStumbleOver(t *testing.T) {
	dir := output(t)
	for _, k := range kinds() {
		files, frames := 0, 0
		folders := map[string]int{}
		err := filepath.WalkDir(filepath.Join(dir, k.name), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "_SEALED" {
				return err
			}
			if !strings.HasSuffix(name, "."+k.name) {
				t.Errorf("%s has another extension than .%s", name, k.name)
			}
			b, err := os.ReadFile(name)
			files++
			frames += max(1, strings.Count(string(b), k.frame))
			folders[filepath.Dir(name)]++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := 2 * len(hours) * len(places); files < want {
			t.Errorf("%s: %d files, want those of two commits in each folder: %d", k.name, files, want)
		}
		if k.frame != "" && frames < 2*files {
			t.Errorf("%s: %d frames in %d files, want two or more in each", k.name, frames, files)
		}
		for _, h := range hours {
			if _, err := os.Stat(filepath.Join(dir, k.name, h.Format("day=2006-01-02/hour=15"), "_SEALED")); err != nil {
				t.Errorf("no seal: %v", err)
			}
		}
		if n := len(folders); n != len(hours)*len(places) {
			t.Errorf("%s: %d folders with files, want %d", k.name, n, len(hours)*len(places))
		}
		late, err := filepath.Glob(filepath.Join(dir, "late", k.name, "*", "*", "*", "*."+k.name))
		if err != nil || len(late) != len(hours)*len(places) {
			t.Errorf("%s: %d files of late rows, %v, want %d", k.name, len(late), err, len(hours)*len(places))
		}
	}
	if dead, err := filepath.Glob(filepath.Join(dir, "dead", "*", "*", "*.jsonl.gz")); err != nil || len(dead) != 1 {
		t.Errorf("%d files of dead letters, %v, want 1", len(dead), err)
	}
}
