package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// A file of which 100 lines were read, and which was then replaced by one of 150 lines with the same first line, was once
// read on from line 101.
func TestAFileReplacedByOneThatBeginsTheSameStopsTheNextRun(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	put := func(word string, lines int) {
		t.Helper()
		text := "2025-05-01T06:00:00Z first x\n"
		for i := 2; i <= lines; i++ {
			text += fmt.Sprintf("2025-05-01T06:00:%02dZ %s %d\n", i%60, word, i)
		}
		if err := os.WriteFile(filepath.Join(in, "log"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	run := func(lines int64) error {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		src, err := file.Open(file.Config{Dir: in}, &file.Options{Follow: true, Poll: time.Millisecond})
		if err != nil {
			return err
		}
		defer src.Close()
		files, err := sink.Open(ctx, store, "e2e", []sink.Flow[word]{{
			Name: "all", Codec: codec.Gzip,
			Format: format.Lines(".txt", func(dst []byte, w *word) ([]byte, error) { return append(dst, w.id()...), nil }),
		}}, nil)
		if err != nil {
			return err
		}
		return stream.Run(ctx, stream.Via(stream.From(src), stream.Decode(parseWord, (*word).time)), files, &stream.Options{
			CommitEvery: 10 * time.Millisecond,
			Observe: func(s stream.Status) {
				if s.Counts.Sum() >= lines {
					stop()
				}
			},
		})
	}
	put("old", 100)
	if err := run(100); err != nil {
		t.Fatal(err)
	}
	put("old", 120)
	if err := run(20); err != nil {
		t.Errorf("lines that were added: %v", err)
	}
	put("new", 150)
	err = run(1)
	if !errors.Is(err, stream.ErrLost) || !strings.Contains(err.Error(), "files/log@") || !strings.Contains(err.Error(), "are not those that were read") {
		t.Errorf("another file: got %v, want ErrLost", err)
	}
	state, err := sink.Inspect(t.Context(), store, "e2e", nil)
	if err != nil || state.Read != 120 {
		t.Errorf("%d lines were read, %v, want the 120 of the first file", state.Read, err)
	}
}
