package avro_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/avro/ocf"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/format"
)

type view struct {
	ID      string  `avro:"id" json:"id"`
	Country *string `avro:"country" json:"country"`
	Seconds int64   `avro:"seconds" json:"seconds"`
	Score   float64 `avro:"score" json:"score"`
}

const schema = `{"type": "record", "name": "view", "namespace": "news", "fields": [
	{"name": "id", "type": "string"},
	{"name": "country", "type": ["null", "string"], "default": null},
	{"name": "seconds", "type": "long"},
	{"name": "score", "type": "double"}]}`

var codecs = []avro.Codec{avro.Null, avro.Deflate, avro.Snappy, avro.Zstandard}

func rows(n int) (v []view) {
	for i := range n {
		r := view{ID: fmt.Sprint("ä", i), Seconds: int64(i) * 1e15, Score: float64(i) / 3}
		if i%3 == 0 {
			r.Country = &[]string{"", "de", "fr"}[i/3%3]
		}
		v = append(v, r)
	}
	return v
}

// file writes rows as the sink does: blocks of several encoders behind one header.
func file(t testing.TB, f format.Format[view], rows []view) []byte {
	t.Helper()
	encoders := []format.Encoder[view]{f.Open(), f.Open()}
	out := encoders[0].Header(nil)
	for i := 0; i < len(rows); i += 70 {
		e := encoders[i/70%2]
		n := min(70, len(rows)-i)
		var raw []byte
		for j := range n {
			var err error
			if raw, err = e.Encode(raw, &rows[i+j]); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if out, err = e.(format.Blocker).Block(out, raw, n); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func read(t *testing.T, file []byte) []view {
	t.Helper()
	return readAs[view](t, file)
}

func readAs[T any](t *testing.T, file []byte) (v []T) {
	t.Helper()
	r, err := ocf.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		var row T
		if err := r.Decode(&row); errors.Is(err, io.EOF) {
			return v
		} else if err != nil {
			t.Fatal(err)
		}
		v = append(v, row)
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestFilesOfSeveralEncodersAreRead(t *testing.T) {
	for _, c := range codecs {
		f, err := avro.New[view](schema, &avro.Options{Codec: c})
		if err != nil {
			t.Fatal(err)
		}
		want := rows(500)
		if got := read(t, file(t, f, want)); text(got) != text(want) {
			t.Errorf("%s: got %d rows, other than the %d written", c, len(got), len(want))
		}
		if f.Ext() != ".avro" {
			t.Errorf("extension %s", f.Ext())
		}
	}
}

func TestSchemaFollowsFromTheStruct(t *testing.T) {
	f, err := avro.For[view](nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, file(t, f, rows(10))); text(got) != text(rows(10)) {
		t.Errorf("got %v", text(got))
	}
}

func TestRowsMayEncodeThemselves(t *testing.T) {
	f, err := avro.NewFunc(`"long"`, func(dst []byte, row *int64) ([]byte, error) {
		if *row < 0 {
			return nil, errors.New("negative")
		}
		return binary.AppendVarint(dst, *row), nil
	}, &avro.Options{Codec: avro.Null, Sync: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	e := f.Open()
	raw, bad := []byte{}, int64(-1)
	for i := range int64(3) {
		if raw, err = e.Encode(raw, &i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Encode(raw, &bad); err == nil {
		t.Error("no error for a row that cannot be written")
	}
	out, err := e.(format.Blocker).Block(e.Header(nil), raw, 3)
	want := "Obj\x01\x04\x16avro.schema\x0c\"long\"\x14avro.codec\x08null\x00" + "\x01" + strings.Repeat("\x00", 15) +
		"\x06\x06\x00\x02\x04" + "\x01" + strings.Repeat("\x00", 15)
	if string(out) != want || err != nil {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

func TestBlocksAreMadeAtOnce(t *testing.T) {
	for _, c := range codecs {
		f, err := avro.New[view](schema, &avro.Options{Codec: c})
		if err != nil {
			t.Fatal(err)
		}
		e, v := f.Open(), rows(100)
		var raw []byte
		for i := range v {
			if raw, err = e.Encode(raw, &v[i]); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		blocks := make([][]byte, 8)
		for i := range blocks {
			wg.Go(func() {
				for range 20 {
					b, err := e.(format.Blocker).Block(nil, raw, len(v))
					if err != nil {
						t.Error(err)
					}
					blocks[i] = b
				}
			})
		}
		wg.Wait()
		all := append(e.Header(nil), slices.Concat(blocks...)...)
		if got, want := text(read(t, all)), text(slices.Concat(slices.Repeat(v, len(blocks)))); got != want {
			t.Errorf("%s: blocks that were made at once are not those of the rows", c)
		}
	}
}

func TestMarkersDiffer(t *testing.T) {
	a, err := avro.New[view](schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := avro.New[view](schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Open().Header(nil), b.Open().Header(nil)) || !bytes.Equal(a.Open().Header(nil), a.Open().Header(nil)) {
		t.Error("two formats have one marker, or two encoders of one format do not")
	}
}

func TestRowThatDoesNotFitIsAnError(t *testing.T) {
	f, err := avro.New[struct{ Seconds string }](`{"type":"record","name":"r","fields":[{"name":"Seconds","type":"long"}]}`, nil)
	if err != nil {
		return // refused early is as good
	}
	if _, err := f.Open().Encode(nil, &struct{ Seconds string }{"x"}); err == nil {
		t.Error("a string was written as a long")
	}
}

func TestSenselessFormatsAreRefused(t *testing.T) {
	if _, err := avro.New[view]("{", nil); err == nil {
		t.Error("no error for a schema that is none")
	}
	if _, err := avro.New[view](schema, &avro.Options{Codec: "lzo"}); err == nil {
		t.Error("no error for a codec that is none")
	}
}

// fastavro installs Python's package of this name, and returns where it is.
func fastavro(t *testing.T) string {
	t.Helper()
	libs := filepath.Join(servertest.Need(t).Dir(), "fastavro-1.12.1-zstandard")
	if _, err := os.Stat(libs); err != nil {
		tmp := libs + fmt.Sprint(".", os.Getpid())
		pip := exec.Command("python3", "-m", "pip", "install", "-q", "--target", tmp, "fastavro==1.12.1", "cramjam", "zstandard")
		if out, err := pip.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := os.Rename(tmp, libs); err != nil && !errors.Is(err, os.ErrExist) {
			t.Log(err) // another process was faster
		}
	}
	return libs
}

// A reader that shares nothing with the writer: Python's fastavro.
func TestForeignReader(t *testing.T) {
	libs := fastavro(t)
	dir := t.TempDir()
	for _, c := range codecs {
		f, err := avro.New[view](schema, &avro.Options{Codec: c})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, string(c)+".avro")
		if err := os.WriteFile(path, file(t, f, rows(500)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("python3", "-c", `
import sys, json, fastavro
with open(sys.argv[1], "rb") as f:
    print(json.dumps([r for r in fastavro.reader(f)]))`, path)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+libs)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		var got []view
		if err := json.Unmarshal(out, &got); err != nil || text(got) != text(rows(500)) {
			t.Errorf("%s: fastavro read %d rows, other than were written: %v", c, len(got), err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	f, err := avro.New[view](schema, nil)
	if err != nil {
		b.Fatal(err)
	}
	e, v, raw := f.Open(), rows(1), []byte{}
	b.ReportAllocs()
	for b.Loop() {
		if raw, err = e.Encode(raw[:0], &v[0]); err != nil {
			b.Fatal(err)
		}
	}
}

// A nil function once made a dead letter of every row.
func TestANilEncoderIsToldInASentence(t *testing.T) {
	_, err := avro.NewFunc[view](`"string"`, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "needs a function that encodes a row") {
		t.Errorf("got %v, want a sentence about the function", err)
	}
}
