package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	storage "github.com/onceflow/onceflow/sink/driver"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

const goonRecords = 3000

// goonInput is a log of some hours with a broken line in each hundred. Words of its rows must never be in the job's log.
func goonInput() (lines []string, want byHour) {
	want = byHour{}
	for i := range goonRecords {
		at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC).Add(time.Duration(i) * 3 * time.Second)
		row := fmt.Sprintf("%s payload-%d", at.Format(time.RFC3339), i)
		if i%100 == 99 {
			row = fmt.Sprintf("broken payload-%d", i)
		} else {
			want.add(at, row)
		}
		lines = append(lines, row+"\n")
	}
	return lines, want
}

// goonJob is one run of a job over a folder's log.
type goonJob struct {
	dir     string // has in/log and out
	follow  bool
	changed bool // other settings than those of the first run
	store   func(sink.Store) sink.Store
	log     bytes.Buffer
}

func (j *goonJob) run(ctx context.Context, observe func(stream.Status)) error {
	src, err := file.Open(file.Config{Dir: filepath.Join(j.dir, "in"), Format: file.Lines{}}, &file.Options{Follow: j.follow, Poll: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	defer src.Close()
	onDisk, err := sinkfile.Open(filepath.Join(j.dir, "out"), &sinkfile.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer onDisk.Close()
	store := sink.Store(onDisk)
	if j.store != nil {
		store = j.store(store)
	}
	text := format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil })
	flows := []sink.Flow[event]{{Name: "all", Format: text, Codec: codec.Gzip}}
	sealing, opts := &seal.Options{}, &stream.Options{CommitBytes: 8 << 10, CommitEvery: 20 * time.Millisecond}
	if j.changed {
		flows[0].Keys = []sink.Key[event]{{Name: "key", Value: func(*event) string { return "k" }}}
		flows = append(flows, sink.Flow[event]{Name: "more", Format: text, Codec: codec.Zstd})
		sealing, opts = &seal.Options{Lateness: time.Minute}, &stream.Options{CommitBytes: 100 << 10, Parallel: 3}
	}
	files, err := sink.Open(ctx, store, "e2e", flows, nil)
	if err != nil {
		return err
	}
	opts.Logger = slog.New(slog.NewTextHandler(&j.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.Observe = observe
	events := stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime))
	return stream.Run(ctx, events, seal.Hourly(files, sealing), opts)
}

func (j *goonJob) put(t *testing.T, lines []string) {
	t.Helper()
	in := filepath.Join(j.dir, "in")
	if err := errors.Join(os.MkdirAll(in, 0o777), os.WriteFile(filepath.Join(in, "log"), []byte(strings.Join(lines, "")), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// check compares what readers see with what the input holds, and asks the independent checker.
func (j *goonJob) check(t *testing.T, what string, want byHour) {
	t.Helper()
	compare(t, what, visibleRows(t, j.dir), want)
	if said, err := exec.CommandContext(t.Context(), checker(t), filepath.Join(j.dir, "out")).CombinedOutput(); err != nil {
		t.Errorf("%s: verify: %v\n%s", what, err, said)
	}
	if strings.Contains(j.log.String(), "payload") {
		t.Errorf("%s: the log has what records hold:\n%s", what, j.log.String())
	}
}

// checker builds the independent checker for a test.
func checker(t *testing.T) string {
	t.Helper()
	name := checkerName()
	checkerBuilt.Do(func() {
		if said, err := exec.Command("go", "build", "-o", name, "../../examples/verify").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	})
	return name
}

var checkerBuilt sync.Once

func checkerName() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("onceflow-e2e-verify-%d", os.Getpid()))
}

// golden are outputs that earlier versions left in the middle of their work, as format.md numbers them. They are never
// made again: ONCEFLOW_GOLDEN=n makes one for a new version.
const golden = "testdata/output-%s.tar.gz"

// What an earlier version has begun, in a folder that was since copied to another place, goes on: with the same settings,
// and with other flows, keys, codecs, lateness and numbers of workers.
func TestOutputOfEarlierVersionsGoesOn(t *testing.T) {
	lines, want := goonInput()
	if version := os.Getenv("ONCEFLOW_GOLDEN"); version != "" {
		makeGolden(t, fmt.Sprintf(golden, version), lines)
	}
	names, err := filepath.Glob(fmt.Sprintf(golden, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		for _, changed := range []bool{false, true} {
			j := &goonJob{dir: t.TempDir(), changed: changed}
			unpack(t, name, filepath.Join(j.dir, "out"))
			if n := visibleRows(t, j.dir).counts(); len(n) == 0 || len(n) == len(want) {
				t.Fatalf("%s has rows of %d hours, want half of them", name, len(n))
			}
			j.put(t, lines)
			if err := j.run(t.Context(), nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			j.check(t, fmt.Sprintf("%s, other settings %v", name, changed), want)
		}
	}
}

// makeGolden runs a job over the first half of the input and packs what it left.
func makeGolden(t *testing.T, name string, lines []string) {
	t.Helper()
	j := &goonJob{dir: t.TempDir(), follow: true}
	j.put(t, lines[:len(lines)/2])
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err := j.run(ctx, func(s stream.Status) {
		if s.Counts.Sum() == int64(len(lines)/2) {
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	err = errors.Join(w.AddFS(os.DirFS(filepath.Join(j.dir, "out"))), w.Close(), z.Close(), os.MkdirAll(filepath.Dir(name), 0o777),
		os.WriteFile(name, packed.Bytes(), 0o666))
	if err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, name, dir string) {
	t.Helper()
	z, err := gzip.NewReader(open(t, name))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(to, 0o777)
		} else if err = os.MkdirAll(filepath.Dir(to), 0o777); err == nil {
			var body []byte
			if body, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(to, body, 0o666)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// refusing is a Store that does not take the first commit, which is the entry after Config, the first few times.
type refusing struct {
	sink.Store
	err   error
	tries *atomic.Int64
}

func (r refusing) Create(ctx context.Context, key string, body []byte) error {
	if strings.HasSuffix(key, "/00000000000000000002") && r.tries.Add(1) <= 5 {
		return fmt.Errorf("create %s: %w", key, r.err)
	}
	return r.Store.Create(ctx, key, body)
}

// A disk that is full or read-only, or a permission that is taken away, while the job runs: it once stopped with that error
// after four tries. It comes back as it went, and the job goes on, loses and doubles nothing.
func TestRefusalsWhileRunningAreWaitedOut(t *testing.T) {
	lines, want := goonInput()
	for _, refusal := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EACCES, storage.ErrPermanent} {
		t.Run(refusal.Error(), func(t *testing.T) {
			t.Parallel() // they wait between their tries
			var tries atomic.Int64
			j := &goonJob{dir: t.TempDir(), store: func(s sink.Store) sink.Store { return refusing{s, refusal, &tries} }}
			j.put(t, lines)
			if err := j.run(t.Context(), nil); err != nil {
				t.Fatalf("got %v; it logged\n%s", err, j.log.String())
			}
			log := j.log.String()
			if tries.Load() < 6 || !strings.Contains(log, "commit failed") || !strings.Contains(log, refusal.Error()) {
				t.Errorf("after %d tries the log does not tell of them:\n%s", tries.Load(), log)
			}
			if strings.Contains(log, "payload") {
				t.Errorf("the log has what records hold:\n%s", log)
			}
			j.check(t, "after that was mended", want)
		})
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.Remove(checkerName())
	os.Exit(code)
}
