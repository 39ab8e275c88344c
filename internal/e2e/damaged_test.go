package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
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
	"github.com/onceflow/onceflow/stream/record"
)

// A compressed file that was cut short stops the job with an error that names it, what is left of it is kept, and the
// whole file goes on from there.
func TestFileThatWasCutShortIsKeptAndContinued(t *testing.T) {
	var text, packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	want := byHour{}
	begin := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for i := range 50_000 {
		at := begin.Add(time.Duration(i) * 150 * time.Millisecond)
		row := fmt.Sprintf("%s %d %x", at.Format(time.RFC3339Nano), i, uint64(i)*0x9e3779b97f4a7c15)
		fmt.Fprintln(&text, row)
		want.add(at, row)
	}
	z.Write(text.Bytes())
	z.Close()
	in, out := t.TempDir(), t.TempDir()
	name := filepath.Join(in, "log.gz")
	once := func() error {
		src, err := file.Open(file.Config{Dir: in}, nil)
		if err != nil {
			return err
		}
		defer src.Close()
		store, err := sinkfile.Open(out, &sinkfile.Options{NoSync: true})
		if err != nil {
			return err
		}
		defer store.Close()
		files, err := sink.Open(t.Context(), store, "e2e", []sink.Flow[event]{{
			Name:   "all",
			Format: format.Lines(".txt", func(dst []byte, e *event) ([]byte, error) { return append(dst, e.text...), nil }),
			Codec:  codec.Gzip,
		}}, nil)
		if err != nil {
			return err
		}
		return stream.Run(t.Context(), stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime)), seal.Hourly(files, nil), nil)
	}
	put := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cut := packed.Len() / 2
	put(packed.Bytes()[:cut])
	err := once()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s: the gzip data may be cut short, or still be written, at byte %d", name, cut)) {
		t.Fatalf("got %v", err)
	}
	store, err := sinkfile.Open(out, &sinkfile.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	state, err := sink.Inspect(t.Context(), store, "e2e", nil)
	if err != nil || state.Rows < 20_000 || state.Rows > 30_000 {
		t.Errorf("%v; of a file that was cut in the middle %d of 50,000 rows are kept", err, state.Rows)
	}
	put(packed.Bytes())
	if err := once(); err != nil {
		t.Fatal(err)
	}
	compare(t, "after the whole file came", read(t, out), want)
}

// One bad file among many stopped a job for good, and with it all the others. By choice it is left out: its dead letter says
// why, the hours are sealed, and a second run has nothing to do.
func TestABadFileIsLeftOutAndTheHoursAreSealed(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	want := byHour{}
	begin := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for f := range 5 {
		var text, packed bytes.Buffer
		for i := range 300 {
			at := begin.Add(time.Duration(i) * 20 * time.Second)
			row := fmt.Sprintf("%s %d-%d", at.Format(time.RFC3339), f, i)
			fmt.Fprintln(&text, row)
			if f != 2 {
				want.add(at, row)
			}
		}
		z := gzip.NewWriter(&packed)
		z.Write(text.Bytes())
		z.Close()
		if f == 2 {
			packed.Bytes()[packed.Len()-5] ^= 1 // of the checksum
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%d.gz", f)), packed.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(in, "foreign.zip"), []byte("PK\x03\x04"), 0o666); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		src, err := file.Open(file.Config{Dir: in}, &file.Options{SkipBad: true})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		store, files := openText(t, out, "e2e", codec.Gzip, nil)
		if err := stream.Run(t.Context(), stream.Via(stream.From(src), stream.Decode(parseLine, (*event).eventTime)), seal.Hourly(files, nil), nil); err != nil {
			t.Fatal(err)
		}
		state, err := sink.Inspect(t.Context(), store, "e2e", nil)
		if err != nil || state.Counts[record.Dead] != 1 || !state.Sealed.Equal(begin.Add(2*time.Hour)) {
			t.Errorf("%v; %d dead letters, want 1; sealed through %s", err, state.Counts[record.Dead], state.Sealed)
		}
	}
	if err := os.RemoveAll(filepath.Join(out, "dead")); err != nil {
		t.Fatal(err)
	}
	compare(t, "without the bad files", read(t, out), want)
}
