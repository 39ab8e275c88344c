package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	"github.com/onceflow/onceflow/stream/record"
)

// pool is a job over several folders below dir, which may be away.
type pool struct {
	dir        string
	generation uint64
	follow     bool
	away       atomic.Bool // the source "us" cannot be listed
	log        *slog.Logger
}

// listed is a source that may be away.
type listed struct {
	*file.Source
	away *atomic.Bool
}

var errAway = errors.New("no route to host")

func (l *listed) Partitions(ctx context.Context) ([]record.Partition, error) {
	if l.away.Load() {
		return nil, errAway
	}
	return l.Source.Partitions(ctx)
}

// open opens the folders of the sources with these names; "" is that of "alone".
func (p *pool) open(t *testing.T, names ...string) map[string]stream.Source {
	t.Helper()
	sources := map[string]stream.Source{}
	for _, name := range names {
		dir := filepath.Join(p.dir, "in", cmp.Or(name, "alone"))
		src, err := file.Open(file.Config{Dir: dir, Format: file.Lines{}}, &file.Options{Follow: p.follow, Poll: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = src
		if name == "us" {
			sources[name] = &listed{src, &p.away}
		}
	}
	return sources
}

func (p *pool) run(ctx context.Context, t *testing.T, src driver.Source, observe func(stream.Status)) error {
	t.Helper()
	defer src.Close()
	onDisk, err := sinkfile.Open(filepath.Join(p.dir, "out"), &sinkfile.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer onDisk.Close()
	text := format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil })
	files, err := sink.Open(ctx, onDisk, "e2e", []sink.Flow[event]{{Name: "all", Format: text, Codec: codec.Gzip}}, &sink.Options{Generation: p.generation})
	if err != nil {
		return err
	}
	events := stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime))
	return stream.Run(ctx, events, seal.Hourly(files, nil), &stream.Options{CommitEvery: 20 * time.Millisecond, Observe: observe, Logger: p.log})
}

func (p *pool) put(t *testing.T, name string, want byHour, from, n int) {
	t.Helper()
	var text strings.Builder
	for i := from; i < from+n; i++ {
		at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute)
		row := fmt.Sprintf("%s %s-%d", at.Format(time.RFC3339), name, i)
		want.add(at, row)
		text.WriteString(row + "\n")
	}
	dir := filepath.Join(p.dir, "in", name)
	if err := errors.Join(os.MkdirAll(dir, 0o777), os.WriteFile(filepath.Join(dir, fmt.Sprintf("log-%d", from)), []byte(text.String()), 0o666)); err != nil {
		t.Fatal(err)
	}
}

func (p *pool) sources(t *testing.T, names ...string) stream.Source {
	t.Helper()
	src, err := stream.Sources(p.open(t, names...))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// A job that read one source goes on with two: nothing of the first is read again.
func TestASourceJoinsAJobThatReadAnotherAlone(t *testing.T) {
	p, want := &pool{dir: t.TempDir()}, byHour{}
	p.put(t, "alone", want, 0, 200)
	if err := p.run(t.Context(), t, p.open(t, "")[""], nil); err != nil {
		t.Fatal(err)
	}
	p.put(t, "alone", want, 240, 100) // behind the last hour, which is sealed
	p.put(t, "us", want, 240, 90)
	if err := p.run(t.Context(), t, p.sources(t, "", "us"), nil); err == nil || !strings.Contains(err.Error(), `"us=file"`) || !strings.Contains(err.Error(), "Options.Generation") {
		t.Errorf("another source under the same generation: got %v, want a word about Options.Generation", err)
	}
	p.generation = 2
	if err := p.run(t.Context(), t, p.sources(t, "", "us"), nil); err != nil {
		t.Fatal(err)
	}
	compare(t, "both sources", visibleRows(t, p.dir), want)
	if said, err := exec.CommandContext(t.Context(), checker(t), filepath.Join(p.dir, "out")).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, said)
	}
	p.generation = 3
	if err := p.run(t.Context(), t, p.open(t, "")[""], nil); err != nil {
		t.Errorf("us is left out, and all of its files are read: %v", err)
	}
}

// Hours wait for a source that cannot be listed, while the records of all are committed; and the log names it.
func TestNoHourClosesWhileOneOfSeveralSourcesCannotBeListed(t *testing.T) {
	p, want := &pool{dir: t.TempDir(), follow: true}, byHour{}
	p.put(t, "eu", want, 0, 200)
	p.put(t, "us", want, 0, 200)
	p.away.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(lines, 1)
	p.log = slog.New(slog.NewTextHandler(told, nil))
	committed := make(chan struct{})
	all := sync.OnceFunc(func() { close(committed) })
	ended := make(chan error, 1)
	go func() {
		ended <- p.run(ctx, t, p.sources(t, "eu", "us"), func(s stream.Status) {
			if s.Counts.Sum() == 400 {
				all()
			}
		})
	}()
	select {
	case <-committed:
	case err := <-ended:
		t.Fatalf("the job ended: %v", err)
	}
	told.until(t, ended, "the source does not answer", "no route to host", "us")
	store, err := sinkfile.Open(filepath.Join(p.dir, "out"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if job, err := sink.Inspect(ctx, store, "e2e", nil); err != nil || !job.Closed.IsZero() || len(job.OpenHours) != 4 {
		t.Errorf("got %+v, %v; want four hours open, and none closed", job, err)
	}
	p.away.Store(false)
	patience, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	s, err := seal.Wait(patience, store, "e2e", time.Date(2025, 5, 1, 9, 0, 0, 0, time.UTC), &seal.ReadOptions{Poll: 5 * time.Millisecond})
	if err != nil || s.Flows["all"].Rows != 40 {
		t.Errorf("the last hour has the seal %+v, %v; want 40 rows", s, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	compare(t, "both sources", visibleRows(t, p.dir), want)
}

// lines has the newest lines of a log.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	select {
	case l <- string(line):
	default:
	}
	return len(line), nil
}

// until waits for a line with all of these words.
func (l lines) until(t *testing.T, ended <-chan error, words ...string) {
	t.Helper()
	for {
		select {
		case line := <-l:
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return
			}
		case err := <-ended:
			t.Fatalf("the job ended: %v", err)
		}
	}
}
