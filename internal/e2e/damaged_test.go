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
