package e2e

import (
	"context"
	"errors"
	"os"
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
	"github.com/onceflow/onceflow/stream/file"
)

// A file that was begun and then replaced between two runs once showed as an hour that did not close. Now the next run
// says so at once, names the file, and goes on when a person has given it up.
func TestAFileReplacedBetweenRunsIsNamedAtTheStart(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(in, "log"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	run := func(ctx context.Context, follow bool, seen func(stream.Status)) error {
		src, err := file.Open(file.Config{Dir: in}, &file.Options{Follow: follow, Poll: 5 * time.Millisecond})
		if err != nil {
			return err
		}
		defer src.Close()
		files, err := sink.Open(ctx, store, "e2e", []sink.Flow[event]{{
			Name:   "all",
			Codec:  codec.Gzip,
			Format: format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil }),
		}}, nil)
		if err != nil {
			return err
		}
		events := stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime))
		return stream.Run(ctx, events, seal.Hourly(files, nil), &stream.Options{CommitEvery: 20 * time.Millisecond, Observe: seen})
	}
	put("2025-05-01T06:00:00Z old\n")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err = run(ctx, true, func(s stream.Status) {
		if s.Commits > 0 {
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	put("2025-05-01T07:00:00Z new\n")
	err = run(t.Context(), false, nil)
	if !errors.Is(err, stream.ErrLost) || !strings.Contains(err.Error(), "log was read up to line 1 and not to its end, and another file took its place") {
		t.Fatalf("got %v", err)
	}
	state, err := sink.Inspect(t.Context(), store, "e2e", nil)
	if err != nil {
		t.Fatal(err)
	}
	for p := range state.Partitions {
		if err := sink.Retire(t.Context(), store, "e2e", p, "replaced by a test", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
	compare(t, "after the old file was given up", read(t, out), byHour{
		"2025-05-01T06": {"2025-05-01T06:00:00Z old": 1}, "2025-05-01T07": {"2025-05-01T07:00:00Z new": 1},
	})
}

// parseLine reads lines that begin with a time.
func parseLine(r *stream.Record) (e event, err error) {
	e.text = string(r.Value)
	at, _, _ := strings.Cut(e.text, " ")
	e.at, err = time.Parse(time.RFC3339Nano, at)
	return e, err
}
