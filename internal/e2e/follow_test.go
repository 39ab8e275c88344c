package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// A folder that is followed seals its hours although no later event ever comes: the file's size proves that its log has
// ended. What is added afterwards is late, not lost; and a file that appears is read.
func TestFollowedFolderSealsQuietHours(t *testing.T) {
	begin := time.Now().UTC().Truncate(time.Hour).Add(-3 * time.Hour)
	row := func(n int, at time.Time) string { return fmt.Sprintf("%s %d\n", at.Format(time.RFC3339Nano), n) }
	in, out := t.TempDir(), t.TempDir()
	add := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(in, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	add("a", row(1, begin)+row(2, begin.Add(30*time.Minute)))
	store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	src, err := file.Open(file.Config{Dir: in}, &file.Options{Follow: true, Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	files, err := sink.Open(t.Context(), store, "e2e", []sink.Flow[event]{{
		Name:   "all",
		Format: format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil }),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended, committed := make(chan error, 1), make(chan struct{})
	begun := sync.OnceFunc(func() { close(committed) })
	pipe := stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime))
	go func() {
		ended <- stream.Run(ctx, pipe, seal.Hourly(files, nil), &stream.Options{
			CommitEvery: 50 * time.Millisecond,
			Observe: func(s stream.Status) {
				if s.Commits > 0 {
					begun()
				}
			},
		})
	}()

	select {
	case <-committed:
	case err := <-ended:
		t.Fatal(err)
	}
	now := &seal.ReadOptions{Poll: 5 * time.Millisecond}
	patience, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	s, err := seal.Wait(patience, store, "e2e", begin, now)
	if err != nil {
		t.Fatal(err)
	}
	if s.Flows["all"].Rows != 2 {
		t.Errorf("the first hour is sealed with %d rows, want 2", s.Flows["all"].Rows)
	}
	add("a", row(3, begin.Add(time.Minute))) // too late for its hour
	add("b", row(4, time.Now().UTC()))
	late, fresh := false, false
	for m, err := range sink.Committed(patience, store, "e2e", 0, now) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files {
			late = late || f.Kind == "late" && f.Hour.Equal(begin) && f.Rows == 1
			fresh = fresh || f.Kind == "" && f.Hour.After(begin)
		}
		if late && fresh {
			break
		}
	}
	if !late || !fresh {
		t.Errorf("the late row came: %v; that of the new file: %v", late, fresh)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}
