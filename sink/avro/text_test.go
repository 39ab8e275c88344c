package avro_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/avro/ocf"

	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/format"
)

// container is a file of one row.
func container[T any](t testing.TB, f format.Format[T], row *T) ([]byte, error) {
	t.Helper()
	e := f.Open()
	raw, err := e.Encode([]byte("before"), row)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(raw, []byte("before")) {
		t.Fatalf("what was in front of the row is %q now", raw)
	}
	file, err := e.(format.Blocker).Block(e.Header(nil), raw[len("before"):], 1)
	if err != nil {
		t.Fatal(err)
	}
	return file, nil
}

func decode[T any](t testing.TB, file []byte) (row T) {
	t.Helper()
	r, err := ocf.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Decode(&row); err != nil {
		t.Fatal(err)
	}
	var more T
	if err := r.Decode(&more); !errors.Is(err, io.EOF) {
		t.Fatalf("after the row: got %v, want the end", err)
	}
	return row
}

type node struct {
	Name  string            `avro:"name"`
	Tags  []string          `avro:"tags"`
	Attrs map[string]string `avro:"attrs"`
	N     int64             `avro:"n"`
	F     float64           `avro:"f"`
	Raw   []byte            `avro:"raw"`
	Next  *node             `avro:"next"`
}

// One string, map key or element that was not UTF-8 made a whole file unreadable.
func TestStringsThatAreNotUTF8AreReplaced(t *testing.T) {
	f, err := avro.For[node](nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := func(s string) string { return s + "\xff\xc3" }
	replaced := func(s string) string { return s + "\ufffd\ufffd" }
	tree := func(s func(string) string) *node {
		return &node{
			Name: s("a"), Tags: []string{"x", s(""), s(strings.Repeat("y", 200))}, Attrs: map[string]string{s("k"): s("v"), "é": "日本"},
			N: math.MinInt64, F: math.NaN(), Raw: []byte("\xff\xfe"), Next: &node{Name: "plain", Next: &node{Name: s("deep")}},
		}
	}
	file, err := container(t, f, tree(bad))
	if err != nil {
		t.Fatal(err)
	}
	got, want := decode[node](t, file), tree(replaced)
	for g, w := &got, want; w != nil; g, w = g.Next, w.Next {
		if g == nil {
			t.Fatal("a row is missing")
		}
		if g.Name != w.Name || fmt.Sprint(g.Tags, g.Attrs, g.N, g.F, string(g.Raw)) != fmt.Sprint(w.Tags, w.Attrs, w.N, w.F, string(w.Raw)) {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
}

// Rows that encode themselves are no exception, and may make blocks with sizes.
func TestRowsThatEncodeThemselvesAreCheckedToo(t *testing.T) {
	const schema = `{"type":"record","name":"r","fields":[{"name":"tags","type":{"type":"array","items":"string"}},{"name":"f","type":{"type":"fixed","name":"four","size":4}},
		{"name":"u","type":["null","int","string"]},{"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]}},{"name":"b","type":"boolean"}]}`
	type row struct {
		Tags []string `avro:"tags"`
		F    [4]byte  `avro:"f"`
		U    any      `avro:"u"`
		E    string   `avro:"e"`
		B    bool     `avro:"b"`
	}
	encoded := []byte{3, 8, 4, 'x', 0xff, 2, 'y', 0, 0xff, 0xfe, 0xfd, 0xfc, 4, 4, 'z', 0xff, 2, 1} // a block of two with its size
	var cut int
	f, err := avro.NewFunc(schema, func(dst []byte, _ *row) ([]byte, error) { return append(dst, encoded[:cut]...), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for cut = range encoded {
		if _, err := container(t, f, &row{}); err == nil {
			t.Errorf("%d of %d bytes: got no error", cut, len(encoded))
		}
	}
	cut = len(encoded)
	file, err := container(t, f, &row{})
	if err != nil {
		t.Fatal(err)
	}
	want := row{[]string{"x\ufffd", "y"}, [4]byte{0xff, 0xfe, 0xfd, 0xfc}, "z\ufffd", "B", true}
	if got := decode[row](t, file); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	encoded = append(encoded, 0)
	cut++
	if _, err := container(t, f, &row{}); err == nil {
		t.Error("one byte too many: got no error")
	}
}

// A float64 beyond a float's range became infinite.
func TestWhatIsTooLargeForAFloatIsAnError(t *testing.T) {
	type row struct {
		F float64   `avro:"f"`
		L []float64 `avro:"l"`
	}
	f, err := avro.New[row](`{"type":"record","name":"r","fields":[{"name":"f","type":"float"},{"name":"l","type":{"type":"array","items":"float"}}]}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{0, 1.5, -math.MaxFloat32, math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, math.NaN()} {
		file, err := container(t, f, &row{v, []float64{v}})
		if err != nil {
			t.Errorf("%g: %v", v, err)
			continue
		}
		if got := decode[row](t, file); fmt.Sprint(got) != fmt.Sprint(row{float64(float32(v)), []float64{float64(float32(v))}}) {
			t.Errorf("%g: got %v", v, got)
		}
	}
	for _, v := range []float64{1e39, -1e300, math.MaxFloat64} {
		for _, r := range []row{{F: v}, {L: []float64{1, v}}} {
			if _, err := container(t, f, &r); err == nil {
				t.Errorf("%g: got no error", v)
			}
		}
	}
}

// Milliseconds cut what Kafka clients, databases and web servers give.
func TestTimesKeepMicroseconds(t *testing.T) {
	type part struct {
		In     time.Time
		Millis time.Time `avro:"millis,timestamp-millis"`
	}
	type row struct {
		At    time.Time             `avro:"at"`
		P     *time.Time            `avro:"p"`
		L     []time.Time           `avro:"l"`
		M     map[string]*time.Time `avro:"m"`
		Part  part                  `avro:"part"`
		Again part                  `avro:"again"`
		Day   time.Time             `avro:"day,date"`
		Flat  struct {
			Deep time.Time `avro:"deep"`
		} `avro:",inline"`
	}
	f, err := avro.For[row](nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 5, 1, 6, 7, 8, 123456789, time.UTC)
	micros := at.Truncate(time.Microsecond)
	in := row{At: at, P: &at, L: []time.Time{at}, M: map[string]*time.Time{"k": &at}, Part: part{at, at}, Again: part{at, at}, Day: at}
	in.Flat.Deep = at
	file, err := container(t, f, &in)
	if err != nil {
		t.Fatal(err)
	}
	got := decode[row](t, file)
	for name, g := range map[string]time.Time{"at": got.At, "p": *got.P, "l": got.L[0], "m": *got.M["k"], "part": got.Part.In, "again": got.Again.In, "deep": got.Flat.Deep} {
		if !g.Equal(micros) {
			t.Errorf("%s: got %v, want %v", name, g, micros)
		}
	}
	if !got.Part.Millis.Equal(at.Truncate(time.Millisecond)) || !got.Day.Equal(at.Truncate(24*time.Hour)) {
		t.Errorf("tags are not heeded: got %v and %v", got.Part.Millis, got.Day)
	}
}

// Whatever a row holds, its file can be read and has the same but for bytes that are not UTF-8.
func FuzzText(f *testing.F) {
	f.Add("a", "\xff", []byte{0xff}, int64(-1))
	f.Add("日本", "\xe6\x97", []byte{}, int64(math.MaxInt64))
	fm, err := avro.For[node](&avro.Options{Codec: avro.Null})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string, raw []byte, n int64) {
		in := node{Name: a, Tags: []string{b, a}, Attrs: map[string]string{a: b}, N: n, Raw: raw, Next: &node{Name: b}}
		file, err := container(t, fm, &in)
		if err != nil {
			t.Fatal(err)
		}
		valid := func(s string) string { return string([]rune(s)) }
		got := decode[node](t, file)
		if got.Name != valid(a) || got.Tags[0] != valid(b) || got.Attrs[valid(a)] != valid(b) || got.Next.Name != valid(b) || got.N != n || !bytes.Equal(got.Raw, raw) {
			t.Errorf("got %+v of %+v", got, in)
		}
		if !utf8.ValidString(got.Name + got.Tags[0]) {
			t.Error("not UTF-8")
		}
	})
}

// The cost of looking at each row's strings, beside that of encoding it.
func BenchmarkText(b *testing.B) {
	fm, err := avro.New[view](schema, nil)
	if err != nil {
		b.Fatal(err)
	}
	plain, err := avro.NewFunc(schema, func(dst []byte, v *view) ([]byte, error) {
		dst = append(binary.AppendVarint(dst, int64(len(v.ID))), v.ID...)
		dst = append(dst, 0)
		dst = binary.AppendVarint(dst, v.Seconds)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Score)), nil
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	row := view{ID: strings.Repeat("id-", 20), Seconds: 1 << 40, Score: 0.5}
	for name, f := range map[string]format.Format[view]{"struct": fm, "func": plain} {
		b.Run(name, func(b *testing.B) {
			e, dst := f.Open(), make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if dst, err = e.Encode(dst[:0], &row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
