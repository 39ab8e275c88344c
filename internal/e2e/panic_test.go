package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/file"
)

const (
	panicRecords = 20_000
	poison       = "!"                       // one byte, since a codec gets rows in pieces
	panicPlace   = "ONCEFLOW_TEST_PANIC_IN"  // where the child panics
	panicFolder  = "ONCEFLOW_TEST_PANIC_DIR" // holds in and out
)

// panicRow is a record of the test; there are three hours of them.
func panicRow(i int) (time.Time, string) {
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC).Add(time.Duration(i) * 500 * time.Millisecond)
	text := fmt.Sprintf("%s row-%d", at.Format(time.RFC3339Nano), i)
	if i == panicRecords*3/4 {
		text += " " + poison
	}
	return at, text
}

// dies panics at the poisoned record, in one place.
type dies string

func (d dies) at(place string, text []byte) {
	if string(d) == place && bytes.Contains(text, []byte(poison)) {
		panic("planted in " + place)
	}
}

// brittle is a codec that panics when it compresses the poisoned record, on the worker or while files are finished.
type brittle struct {
	codec.Codec
	d dies
}

func (b brittle) New() codec.Compressor { return brittleComp{b.Codec.New(), b.d} }

type brittleComp struct {
	codec.Compressor
	d dies
}

func (c brittleComp) Write(p []byte) (int, error) {
	c.d.at("codec", p)
	return c.Compressor.Write(p)
}

// brittleSource panics on the goroutine that reads.
type brittleSource struct {
	*file.Source
	d dies
}

func (s brittleSource) Poll(ctx context.Context) (*driver.Batch, error) {
	b, err := s.Source.Poll(ctx)
	if err == nil {
		for i := range b.Records {
			s.d.at("source", b.Records[i].Value)
		}
	}
	return b, err
}

// brittleStore panics while an entry is appended: its goroutine is neither a worker's nor the caller's.
type brittleStore struct {
	sink.Store
	d dies
}

func (s brittleStore) Create(ctx context.Context, key string, body []byte) error {
	if s.d == "store" && strings.HasSuffix(key, "00000000000000000004") {
		panic("planted in store")
	}
	return s.Store.Create(ctx, key, body)
}

func runBrittle(ctx context.Context, dir string, d dies) error {
	src, err := file.Open(file.Config{Dir: filepath.Join(dir, "in")}, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	store, err := sinkfile.Open(filepath.Join(dir, "out"), &sinkfile.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer store.Close()
	flow := sink.Flow[event]{
		Name:  "all",
		Codec: brittle{codec.Gzip, d},
		Format: format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) {
			d.at("format", []byte(e.text))
			return append(dst, e.text...), nil
		}),
		Where: func(e *event) bool { d.at("where", []byte(e.text)); return true },
		Keys:  []sink.Key[event]{{Name: "key", Value: func(e *event) string { d.at("key", []byte(e.text)); return "k" }}},
	}
	files, err := sink.Open(ctx, brittleStore{store, d}, "e2e", []sink.Flow[event]{flow}, nil)
	if err != nil {
		return err
	}
	parse := func(r *stream.Record) (event, error) {
		d.at("decode", r.Value)
		return parseLine(r)
	}
	events := stream.Via(stream.From(brittleSource{src, d}), stream.Decode(parse, (*event).eventTime))
	events = stream.Via(events, stream.Map(func(e *event) (event, error) { d.at("stage", []byte(e.text)); return *e, nil }))
	return stream.Run(ctx, events, seal.Hourly(files, nil), &stream.Options{CommitBytes: 64 << 10, CommitEvery: time.Hour})
}

// A panic in whatever the user or a library gave ends the process at once, with a trace and a status that is not 0, and
// never a job that stands still or goes on without a part. Nothing of the batch is committed that the others would not
// have, and once the cause is gone the next run ends with every row once.
func TestAPanicKillsTheProcessAndCostsNothing(t *testing.T) {
	if place := os.Getenv(panicPlace); place != "" {
		err := runBrittle(t.Context(), os.Getenv(panicFolder), dies(place))
		t.Fatalf("the job outlived a panic: %v", err)
	}
	var text bytes.Buffer
	want := byHour{}
	for i := range panicRecords {
		at, row := panicRow(i)
		fmt.Fprintln(&text, row)
		want.add(at, row)
	}
	for _, place := range []string{"source", "decode", "stage", "codec", "store"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "in"), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "in", "log"), text.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
			for try := range 2 { // a restart meets the same record again, and is as loud
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAPanicKillsTheProcessAndCostsNothing$", "-test.timeout", "60s")
				child.Env = append(os.Environ(), panicPlace+"="+place, panicFolder+"="+dir)
				said, err := child.CombinedOutput()
				if child.ProcessState.ExitCode() != 2 || !bytes.Contains(said, []byte("panic: planted in "+place)) {
					t.Fatalf("try %d: got %v; it said\n%s", try, err, said)
				}
				for hour, rows := range visibleRows(t, dir) {
					for row, n := range rows {
						poisoned := strings.Contains(row, poison) && place != "store" // which dies at an entry of its own
						if poisoned || n > want[hour][row] {
							t.Fatalf("try %d: %q is there %d times", try, row, n)
						}
					}
				}
			}
			if err := runBrittle(t.Context(), dir, ""); err != nil {
				t.Fatal(err)
			}
			compare(t, "after the cause was mended", visibleRows(t, dir), want)
		})
	}
}

// Where, the value of a key and an encoder have no error with which a user could say what is wrong with a row, so nobody can
// guard them: a panic of one once killed the process at each start.
func TestAPanicOfAFlowsFunctionCostsItsRecordOnly(t *testing.T) {
	for _, place := range []string{"where", "key", "format"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "in"), 0o777); err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		want := byHour{}
		for i := range panicRecords {
			at, row := panicRow(i)
			fmt.Fprintln(&text, row)
			if !strings.Contains(row, poison) {
				want.add(at, row)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "in", "log"), text.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := runBrittle(t.Context(), dir, dies(place)); err != nil {
			t.Fatalf("%s: %v", place, err)
		}
		compare(t, place, visibleRows(t, dir), want)
		dead := ""
		err := filepath.WalkDir(filepath.Join(dir, "out", "dead"), func(name string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".gz") {
				return err
			}
			z, err := gzip.NewReader(open(t, name))
			if err != nil {
				return err
			}
			body, err := io.ReadAll(z)
			dead += string(body)
			return err
		})
		if err != nil || strings.Count(dead, "\n") != 1 || !strings.Contains(dead, "planted in "+place) || !strings.Contains(dead, "panic_test.go") {
			t.Errorf("%s: %v, dead letters %q, want one with the panic and its place", place, err, dead)
		}
	}
}

// visibleRows returns the rows of all files that a reader of the folders sees, sealed or not.
func visibleRows(t *testing.T, dir string) byHour {
	t.Helper()
	got := byHour{}
	hours := filepath.Join(dir, "out", "all", "day=*", "hour=*")
	names, err := filepath.Glob(filepath.Join(hours, "*.txt.gz"))
	keyed, err2 := filepath.Glob(filepath.Join(hours, "key=k", "*.txt.gz"))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	const folder = "day=2006-01-02/hour=15"
	for _, name := range append(names, keyed...) {
		at, err := time.Parse(folder, filepath.ToSlash(name)[strings.Index(name, "day="):][:len(folder)])
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(open(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines := bufio.NewScanner(z)
		for lines.Scan() {
			got.add(at, lines.Text())
		}
		if lines.Err() != nil {
			t.Fatalf("%s: %v", name, lines.Err())
		}
	}
	return got
}
