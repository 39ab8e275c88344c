package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

const (
	limitFolder  = "ONCEFLOW_TEST_LIMIT_DIR" // holds in and out of the child
	limitRecords = 300_000
	limitKeys    = 600

	limitMemory  = 64 << 20 // GOMEMLIMIT, of which the job's budget is a quarter
	limitHandles = 600      // a store keeps up to 512 of its files open
)

// limitedJob runs in a process that the system lets have so many handles, and no more.
func limitedJob(t *testing.T, dir string) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limitHandles, Max: limitHandles}); err != nil {
		t.Fatal(err)
	}
	src, err := file.Open(file.Config{Dir: filepath.Join(dir, "in")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	store, err := sinkfile.Open(filepath.Join(dir, "out"), &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	text := format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil })
	files, err := sink.Open(t.Context(), store, "e2e", []sink.Flow[event]{
		{Name: "all", Format: text, Codec: codec.Gzip},
		{Name: "keyed", Format: text, Codec: codec.Zstd, Keys: []sink.Key[event]{{Name: "key", Value: func(e *event) string {
			_, rest, _ := strings.Cut(e.text, " ")
			key, _, _ := strings.Cut(rest, " ")
			return key
		}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var most atomic.Int64
	events := stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime))
	// A commit an hour: all that is gathered until then would stay, if nothing were done about it.
	err = stream.Run(t.Context(), events, seal.Hourly(files, nil), &stream.Options{CommitEvery: time.Hour, CommitBytes: -1, Observe: func(s stream.Status) {
		most.Store(max(most.Load(), s.Bytes))
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %d MiB counted", most.Load()>>20)
}

// A whole process, with a burst of input that is several times its budget, hundreds of files that are open at once and fewer
// handles: what the system has counted at its end is within the bound, and what comes out is whole.
func TestAProcessStaysWithinTheLimitsOfTheSystem(t *testing.T) {
	if dir := os.Getenv(limitFolder); dir != "" {
		limitedJob(t, dir)
		return
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o777); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "in", "log"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(log)
	begin := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for i := range limitRecords {
		at := begin.Add(time.Duration(i) * time.Millisecond)
		fmt.Fprintf(w, "%s k%d %d %0200x\n", at.Format(time.RFC3339Nano), i%limitKeys, i, i*i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "100s")
	child.Env = append(os.Environ(), limitFolder+"="+dir, fmt.Sprintf("GOMEMLIMIT=%d", limitMemory))
	said, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	peak := child.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	t.Logf("peak %d MiB, %.1f s of CPU; it said: %s", peak>>20, (child.ProcessState.UserTime() + child.ProcessState.SystemTime()).Seconds(), said)
	if peak > limitMemory*5/4 {
		t.Errorf("it had %d MiB, want at most %d", peak>>20, limitMemory*5/4>>20)
	}
	rows := visibleRows(t, dir)
	n := 0
	for _, hour := range rows.counts() {
		n += hour
	}
	if n != limitRecords {
		t.Errorf("%d rows, want %d", n, limitRecords)
	}
}
