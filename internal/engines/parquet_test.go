package engines

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/parquet"
)

// extreme has columns whose values are from the whole range of their types.
type extreme struct {
	ID    int64     `parquet:"id"`
	At    time.Time `parquet:"stamp"`
	Day   time.Time `parquet:"day,date"`
	I8    int8      `parquet:"i8"`
	I32   int32     `parquet:"i32"`
	U32   uint32    `parquet:"u32"`
	U64   uint64    `parquet:"u64"`
	F32   float32   `parquet:"f32"`
	F64   float64   `parquet:"f64"`
	Cents int64     `parquet:"cents,decimal(2:18)"`
	Huge  big.Int   `parquet:"huge,decimal(10:38)"`
	Text  string    `parquet:"text"`
	Note  *string   `parquet:"note"`
	Body  []byte    `parquet:"body"`
	Tags  []string  `parquet:"tags"`
	Maybe []string  `parquet:"maybe,optional"`
	Inner *struct {
		A *int64   `parquet:"a"`
		B []string `parquet:"b"`
	} `parquet:"nested"`
	Attrs map[string]int64 `parquet:"attrs"`
}

func extremes() (rows []extreme) {
	huge := func(s string) big.Int {
		n, _ := new(big.Int).SetString(s, 10)
		return *n
	}
	nines := strings.Repeat("9", 38)
	floats := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1.5, -1.5, math.MaxFloat64, -math.MaxFloat64, 5e-324, -5e-324}
	ints := []int64{0, -1, 1, math.MinInt64, math.MaxInt64, math.MinInt32, math.MaxInt32, 1 << 53, -1 << 53, 255}
	decimals := []string{"0", "-1", "1", nines, "-" + nines, "12345678901234567890", "-12345678901234567890"}
	strs := append([]string{"", "\xff", "a\xc3", strings.Repeat("long\x00", 10_000)}, texts...)
	for i := range int64(500) {
		at := func(n int) int { return int(i) % n }
		note := strs[at(len(strs))]
		r := extreme{
			ID: i, At: time.Unix(ints[at(len(ints))]>>22, ints[at(3)]*1000).UTC(), Day: time.Unix(ints[at(7)]%(1<<40), 0).UTC(),
			I8: int8(ints[at(9)]), I32: int32(ints[at(8)]), U32: uint32(ints[at(10)]), U64: uint64(ints[at(10)]), F32: float32(floats[at(7)]), F64: floats[at(11)],
			Cents: ints[at(3)] * 999_999_999_999_999_999, Huge: huge(decimals[at(7)]), Text: note, Body: []byte(note), Attrs: map[string]int64{},
		}
		if i%2 == 0 {
			r.Note, r.Tags, r.Maybe = &note, []string{}, []string{}
			r.Inner = new(struct {
				A *int64   `parquet:"a"`
				B []string `parquet:"b"`
			})
		}
		if i%4 == 0 {
			r.Tags, r.Maybe, r.Inner.A, r.Inner.B, r.Attrs = []string{note, "", note}, []string{""}, &ints[at(10)], []string{"x"}, map[string]int64{"b": 2, "a": 1, "": i}
		}
		rows = append(rows, r)
	}
	return rows
}

// writeParquet writes files as direct flows do, with many small row groups, and as merges do.
func writeParquet(t *testing.T, rows []extreme) (direct, merged string) {
	t.Helper()
	f, err := parquet.For[extreme](nil)
	if err != nil {
		t.Fatal(err)
	}
	e := f.Open()
	var files [2]bytes.Buffer
	for i := range files {
		file, err := f.(format.Joiner).Join().Begin(&files[i], e.Header(nil), 1)
		if err != nil {
			t.Fatal(err)
		}
		for part := range slices.Chunk(rows, 3) {
			var raw []byte
			for k := range part {
				if raw, err = e.Encode(raw, &part[k]); err != nil {
					t.Fatal(err)
				}
			}
			n := int64(len(part))
			if i == 1 {
				err = file.Rows(raw, n)
			} else {
				var b []byte
				if b, err = e.(format.Blocker).Block(nil, raw, len(part)); err == nil {
					err = file.Block(b, n)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	direct, merged = filepath.Join(dir, "direct.parquet"), filepath.Join(dir, "merged.parquet")
	for name, b := range map[string][]byte{direct: files[0].Bytes(), merged: files[1].Bytes()} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return direct, merged
}

func theReader(t *testing.T, name string) reader {
	t.Helper()
	i := slices.IndexFunc(readers, func(r reader) bool { return r.name == name })
	readers[i].need(t)
	return readers[i]
}

// decimal is an unscaled number as SQL writes it.
func decimal(n *big.Int, scale int) string {
	s := fmt.Sprintf("%0*d", scale+1, new(big.Int).Abs(n))
	s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	if n.Sign() < 0 {
		return "-" + s
	}
	return s
}

func clean(s string) string { return string([]rune(s)) }

func TestParquetHasTheWholeRangeOfEachType(t *testing.T) {
	duckDB := theReader(t, "DuckDB")
	rows := extremes()
	direct, merged := writeParquet(t, rows)
	const columns = `select id, epoch_us(stamp)::varchar as stamp, (day - date '1970-01-01')::varchar as day, i8::varchar as i8, i32::varchar as i32, u32::varchar as u32,
		u64::varchar as u64, f32::double::varchar as f32, f64::varchar as f64, cents::varchar as cents, huge::varchar as huge, text, note, hex(body) as body,
		tags, maybe, nested is null as no_inner, nested.a::varchar as a, nested.b as b, map_keys(attrs) as keys, list_sum(map_values(attrs))::varchar as sum from '%s' order by id`
	for name, a := range duckDB.run(t, t.TempDir(), []task{
		{Name: "direct", Code: fmt.Sprintf(columns, direct)}, {Name: "merged", Code: fmt.Sprintf(columns, merged)},
	}) {
		if a.Error != "" || len(a.Rows) != len(rows) {
			t.Fatalf("%s: %d rows, want %d: %s", name, len(a.Rows), len(rows), a.Error)
		}
		for i := range rows {
			if err := sameExtreme(&rows[i], a.Rows[i]); err != nil {
				t.Errorf("%s: row %d: %v", name, i, err)
			}
		}
	}
}

func sameExtreme(e *extreme, got row) error {
	days := math.Floor(float64(e.Day.Unix()) / 86400)
	want := map[string]any{
		"id": e.ID, "stamp": e.At.UnixMicro(), "day": int64(days), "i8": e.I8, "i32": e.I32, "u32": e.U32, "u64": e.U64, "cents": decimal(big.NewInt(e.Cents), 2),
		"huge": decimal(&e.Huge, 10), "text": clean(e.Text), "note": nil, "body": strings.ToUpper(fmt.Sprintf("%x", e.Body)), "tags": cleaned(e.Tags), "maybe": nil,
		"no_inner": e.Inner == nil, "a": nil, "b": nil, "keys": []any{}, "sum": nil,
	}
	if e.Note != nil {
		want["note"] = clean(*e.Note)
	}
	if e.Maybe != nil {
		want["maybe"] = cleaned(e.Maybe)
	}
	if e.Inner != nil {
		if want["b"] = cleaned(e.Inner.B); e.Inner.A != nil {
			want["a"] = *e.Inner.A
		}
	}
	if len(e.Attrs) > 0 {
		want["keys"], want["sum"] = []any{"", "a", "b"}, 3+e.ID
	}
	for name, w := range want {
		if g := got[name]; fmt.Sprint(g) != fmt.Sprint(w) {
			return fmt.Errorf("%s is %.80q, want %.80q", name, fmt.Sprint(g), fmt.Sprint(w))
		}
	}
	for name, w := range map[string]float64{"f32": float64(e.F32), "f64": e.F64} {
		g, err := strconv.ParseFloat(fmt.Sprint(got[name]), 64)
		if err != nil || g != w && !(math.IsNaN(g) && math.IsNaN(w)) || math.Signbit(g) != math.Signbit(w) && !math.IsNaN(w) {
			return fmt.Errorf("%s is %v, want %v", name, got[name], w)
		}
	}
	return nil
}

func cleaned(list []string) []any {
	all := []any{}
	for _, s := range list {
		all = append(all, clean(s))
	}
	return all
}

// An engine leaves row groups out by their statistics. What these say wrong loses rows in silence.
func TestNoRowIsLostByTheStatisticsOfParquet(t *testing.T) {
	duckDB := theReader(t, "DuckDB")
	rows := extremes()
	direct, merged := writeParquet(t, rows)
	greater := func(f, than float64) bool { return f > than || math.IsNaN(f) } // NaN is the greatest number to this engine
	conditions := map[string]func(e *extreme) bool{
		"f64 > 10":                  func(e *extreme) bool { return greater(e.F64, 10) },
		"f64 < -10":                 func(e *extreme) bool { return e.F64 < -10 },
		"f64 = 0":                   func(e *extreme) bool { return e.F64 == 0 },
		"f64 = '-0.0'::double":      func(e *extreme) bool { return e.F64 == 0 },
		"f64 = 'nan'::double":       func(e *extreme) bool { return math.IsNaN(e.F64) },
		"f32 > 1000::float":         func(e *extreme) bool { return greater(float64(e.F32), 1000) },
		"f32 <= 0::float":           func(e *extreme) bool { return e.F32 <= 0 },
		"id between 250 and 260":    func(e *extreme) bool { return e.ID >= 250 && e.ID <= 260 },
		"u64 > 9223372036854775807": func(e *extreme) bool { return e.U64 > math.MaxInt64 },
		"u32 >= 2147483648":         func(e *extreme) bool { return e.U32 >= 1<<31 },
		"i32 < 0":                   func(e *extreme) bool { return e.I32 < 0 },
		"i8 = -1":                   func(e *extreme) bool { return e.I8 == -1 },
		"huge < 0":                  func(e *extreme) bool { return e.Huge.Sign() < 0 },
		"huge > 1000":               func(e *extreme) bool { return e.Huge.Cmp(big.NewInt(1e13)) > 0 },
		"cents < 0":                 func(e *extreme) bool { return e.Cents < 0 },
		"text > 'z'":                func(e *extreme) bool { return clean(e.Text) > "z" },
		"text = ''":                 func(e *extreme) bool { return e.Text == "" },
		"text like 'long%'":         func(e *extreme) bool { return strings.HasPrefix(e.Text, "long") },
		"note is null":              func(e *extreme) bool { return e.Note == nil },
		"stamp < timestamptz '1970-01-01 00:00:00+00'": func(e *extreme) bool { return e.At.Before(time.Unix(0, 0)) },
		"day < date '1970-01-01'":                      func(e *extreme) bool { return e.Day.Before(time.Unix(0, 0)) },
		"nested.a < 0":                                 func(e *extreme) bool { return e.Inner != nil && e.Inner.A != nil && *e.Inner.A < 0 },
	}
	var tasks []task
	for c := range conditions {
		for _, file := range []string{direct, merged} {
			tasks = append(tasks, task{Name: filepath.Base(file) + " where " + c, Code: fmt.Sprintf("select id from '%s' where %s", file, c)})
		}
	}
	answers := duckDB.run(t, t.TempDir(), tasks)
	for name, a := range answers {
		_, c, _ := strings.Cut(name, " where ")
		want := 0
		for i := range rows {
			if conditions[c](&rows[i]) {
				want++
			}
		}
		if a.Error != "" || len(a.Rows) != want || want == 0 || want == len(rows) {
			t.Errorf("%s: %d rows, want %d: %s", name, len(a.Rows), want, a.Error)
		}
	}
}
