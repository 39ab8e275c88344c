package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// A followed folder in which 20 files a minute end once ate 3.9 GB of memory a day: 23 KB for each file with nothing but a
// decoder, 135 KB with a join. The limit is that of the ledger's state until it forgets the file, half an hour later.
func TestAFinishedFileKeepsLittleMemory(t *testing.T) {
	in := t.TempDir()
	begin := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	const atOnce = 20
	number, parsed := 0, make(chan struct{}, atOnce)
	ended, states := make(chan error, 1), make(chan stream.Status, 1)
	// put writes n files, few at once: free buffers of the source are memory, too, as many as files were once read at a time.
	put := func(n int) {
		t.Helper()
		for range n {
			number++
			line := fmt.Sprintf("%s %d\n", begin.Format(time.RFC3339Nano), number)
			if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("f%06d", number)), []byte(line), 0o666); err != nil {
				t.Fatal(err)
			}
			if number%atOnce != 0 {
				continue
			}
			for range atOnce {
				select {
				case <-parsed:
				case err := <-ended:
					t.Fatalf("the job ends: %v", err)
				}
			}
		}
	}
	src, err := file.Open(file.Config{Dir: in}, &file.Options{
		Follow: true, Poll: 5 * time.Millisecond, Complete: func(string, time.Time) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	store, err := sinkfile.Open(t.TempDir(), &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	files, err := sink.Open(t.Context(), store, "e2e", []sink.Flow[event]{{
		Name:   "all",
		Format: format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil }),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	parse := func(r *stream.Record) (event, error) {
		parsed <- struct{}{}
		return parseLine(r)
	}
	go func() {
		pipe := stream.Via(stream.From(src), stream.Decode(parse, (*event).eventTime))
		ended <- stream.Run(ctx, pipe, seal.Hourly(files, nil), &stream.Options{
			CommitEvery: 50 * time.Millisecond,
			Observe: func(s stream.Status) {
				select {
				case <-states:
				default:
				}
				states <- s
			},
		})
	}()
	settle := func() {
		t.Helper()
		for {
			select {
			case s := <-states:
				if s.Read == int64(number) && s.Lanes == 0 {
					return
				}
			case err := <-ended:
				t.Fatalf("the job ends: %v", err)
			}
		}
	}
	// heap is what is in use, and least the smallest of some looks: a commit or a snapshot under way is in memory, too, and
	// is not kept.
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools gave back lives through the first
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	least := func(enough int64) int64 {
		n := heap()
		for range 10 {
			if n <= enough {
				break
			}
			settle()
			n = min(n, heap())
		}
		return n
	}
	put(200)
	settle()
	before := least(0)
	const more, limit = 1000, 4 << 10
	put(more)
	settle()
	each := (least(before+more*limit) - before) / more
	t.Logf("%d bytes of memory for each finished file", each)
	if each > limit {
		t.Errorf("each finished file keeps %d bytes of memory, want at most 4 KiB", each)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
