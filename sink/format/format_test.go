package format_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/record"
)

// encode returns a file of rows, and the first error.
func encode[T any](f format.Format[T], rows ...T) (string, error) {
	e := f.Open()
	dst := e.Header(nil)
	for i := range rows {
		var err error
		if dst, err = e.Encode(dst, &rows[i]); err != nil {
			return string(dst), err
		}
	}
	return string(dst), nil
}

type hit struct {
	ID    string         `json:"id"`
	Time  time.Time      `json:"time"`
	Score float64        `json:"score"`
	Tags  map[string]any `json:"tags,omitempty"`
}

func TestJSONLinesAreOneLineEach(t *testing.T) {
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	got, err := encode(format.JSONLines[hit](), hit{ID: "a\n<b>", Time: at}, hit{ID: "c", Tags: map[string]any{"x": "\r\n"}})
	want := `{"id":"a\n<b>","time":"2025-05-01T06:00:00Z","score":0}` + "\n" +
		`{"id":"c","time":"0001-01-01T00:00:00Z","score":0,"tags":{"x":"\r\n"}}` + "\n"
	if got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	raw, err := encode(format.JSONLines[json.RawMessage](), json.RawMessage("{\n \"a\": 1\r\n}"))
	if want := `{"a":1}` + "\n"; raw != want || err != nil {
		t.Errorf("JSON with newlines between its parts: got %q, %v, want %q", raw, err, want)
	}
}

// A row that fails must leave the encoder fit for the next one, and nothing of itself.
func TestARowThatCannotBeEncodedLeavesNoTrace(t *testing.T) {
	e := format.JSONLines[hit]().Open()
	dst := []byte("before\n")
	if _, err := e.Encode(dst, &hit{Score: math.NaN()}); err == nil {
		t.Error("NaN: got no error")
	}
	got, err := e.Encode(dst, &hit{ID: "next"})
	if err != nil || strings.Count(string(got), "\n") != 2 || !strings.HasPrefix(string(got), "before\n{\"id\":\"next\"") {
		t.Errorf("the row after: got %q, %v", got, err)
	}

	c := format.CSV([]string{"a", "b"}, func(r *format.Row, v *string) {
		r.String(*v)
		if *v == "bad" {
			r.Fail(errors.New("bad"))
		}
		r.Int(1)
	}, nil).Open()
	bad, good := "bad", "good"
	if _, err := c.Encode(dst, &bad); err == nil || err.Error() != "bad" {
		t.Errorf("Fail: got %v, want bad", err)
	}
	if got, err := c.Encode(dst, &good); string(got) != "before\ngood,1\r\n" || err != nil {
		t.Errorf("the row after: got %q, %v", got, err)
	}
}

func TestLinesRefuseWhatReadersWouldTakeForTwoRows(t *testing.T) {
	f := format.Lines(".log", func(dst []byte, s *string) ([]byte, error) { return append(dst, *s...), nil })
	if got, err := encode(f, "a", "", "b\r"); got != "a\n\nb\r\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := encode(f, "a\nb"); err == nil {
		t.Error("newline within a row: got no error")
	}
	short := format.Lines(".log", func([]byte, *string) ([]byte, error) { return nil, nil })
	if _, err := encode(short, "a"); err != nil {
		t.Errorf("nothing appended to nothing: got %v", err)
	}
	if _, err := short.Open().Encode([]byte("before\n"), new(string)); err == nil {
		t.Error("a row function that lost what was before: got no error")
	}
}

func TestRawWritesValuesAsTheyAre(t *testing.T) {
	got, err := encode(format.Raw(".txt"), record.Record{Value: []byte("a\tb\r")}, record.Record{Value: []byte{}})
	if got != "a\tb\r\n\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for name, r := range map[string]record.Record{"two lines": {Value: []byte("a\nb")}, "no value": {}} {
		if _, err := encode(format.Raw(".txt"), r); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// The hot path: no allocation for a row.
func TestEncodeDoesNotAllocate(t *testing.T) {
	row := sample()
	dst := make([]byte, 0, 4096)
	for name, e := range encoders() {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := e.Encode(dst, row); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			if name == "json" && raceEnabled { // encoding/json pools its buffers, and pools forget on purpose then
				continue
			}
			t.Errorf("%s: got %v allocations a row, want 0", name, n)
		}
	}
}

// click is a row without what encoding/json allocates for: times and maps.
type click struct {
	ID, Page, Agent string
	User            int64
	Price           float64
	Mobile          bool
	Time            time.Time `json:"-"`
}

func sample() *click {
	return &click{ID: "0f3b", Page: "/shop/17, \"new\"", Agent: "Mozilla/5.0", User: 4711, Price: 9.99,
		Time: time.Date(2025, 5, 1, 6, 0, 0, 5e6, time.UTC)}
}

func encoders() map[string]format.Encoder[click] {
	row := func(r *format.Row, c *click) {
		r.String(c.ID)
		r.Time(c.Time)
		r.String(c.Page)
		r.String(c.Agent)
		r.Int(c.User)
		r.Uint(uint64(c.User))
		r.Float(c.Price)
		r.Bool(c.Mobile)
		r.Null()
	}
	return map[string]format.Encoder[click]{
		"json": format.JSONLines[click]().Open(),
		"csv":  format.CSV(nil, row, nil).Open(),
		"tsv":  format.TSV(nil, row).Open(),
		"lines": format.Lines(".log", func(dst []byte, c *click) ([]byte, error) {
			return append(append(dst, c.ID...), c.Page...), nil
		}).Open(),
	}
}

func BenchmarkEncode(b *testing.B) {
	row := sample()
	dst := make([]byte, 0, 4096)
	for name, e := range encoders() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			out, _ := e.Encode(dst, row)
			b.SetBytes(int64(len(out)))
			for b.Loop() {
				_, _ = e.Encode(dst, row)
			}
		})
	}
}
