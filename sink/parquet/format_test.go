package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/parquet"
)

type place struct {
	City string  `parquet:"city"`
	Zip  *int32  `parquet:"zip"`
	Lat  float64 `parquet:"lat"`
}

type base struct {
	ID int64 `parquet:"id"`
}

// event has a column of each kind.
type event struct {
	base
	At       time.Time         `parquet:"at"`
	Milli    time.Time         `parquet:"milli,timestamp(millisecond)"`
	Nano     *time.Time        `parquet:"nano,timestamp(nanosecond)"`
	Day      time.Time         `parquet:"day,date,optional"`
	Name     string            `parquet:"name"`
	Note     *string           `parquet:"note"`
	Empty    string            `parquet:"empty,optional"`
	Kind     string            `parquet:"kind,enum"`
	Raw      string            `parquet:"raw,bytes"`
	Doc      []byte            `parquet:"doc,json,optional"`
	Body     []byte            `parquet:"body"`
	UUID     [16]byte          `parquet:"uuid,uuid"`
	I8       int8              `parquet:"i8"`
	I16      int16             `parquet:"i16"`
	I32      int32             `parquet:"i32,dict"`
	Int      int               `parquet:"int"`
	U8       uint8             `parquet:"u8"`
	U16      uint16            `parquet:"u16"`
	U32      uint32            `parquet:"u32"`
	U64      uint64            `parquet:"u64"`
	F32      float32           `parquet:"f32"`
	F64      float64           `parquet:"f64"`
	OK       bool              `parquet:"ok"`
	Maybe    *bool             `parquet:"maybe"`
	Cents    int64             `parquet:"cents,decimal(2:18)"`
	Small    int32             `parquet:"small,decimal(0:9)"`
	Huge     *big.Int          `parquet:"huge,decimal(10:38)"`
	Place    place             `parquet:"place"`
	Other    *place            `parquet:"other"`
	Tags     []string          `parquet:"tags"`
	MaybeT   []string          `parquet:"maybe_tags,optional"`
	Nulls    []*int64          `parquet:"nulls"`
	Places   []place           `parquet:"places"`
	Grid     [][]int32         `parquet:"grid"`
	Pair     [2]float64        `parquet:"pair"`
	Times    []time.Time       `parquet:"times" parquet-element:",timestamp(millisecond)"`
	Attrs    map[string]string `parquet:"attrs"`
	Deep     map[int64][]place `parquet:"deep,optional"`
	Duration time.Duration     `parquet:"duration"`
	Hidden   func()            `parquet:"-"`
	skipped  chan int
}

func ptr[T any](v T) *T { return &v }

func bigOf(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

// extremes are rows with values from the whole range of each type.
func extremes() []event {
	utc := time.UTC
	zero := event{}
	least := event{
		base: base{math.MinInt64}, At: time.Date(-290000, 1, 1, 0, 0, 0, 0, utc), Milli: time.Date(-200000000, 1, 1, 0, 0, 0, 0, utc),
		Nano: ptr(time.Date(1677, 9, 22, 0, 0, 0, 1, utc)), Day: time.Date(1969, 12, 31, 23, 59, 59, 999999999, utc), Name: "", Note: ptr(""), Kind: "a",
		Raw: "\xff\x00", Doc: []byte("null"), Body: []byte{}, I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, Int: math.MinInt64,
		F32: -math.MaxFloat32, F64: -math.MaxFloat64, Maybe: ptr(false), Cents: -999999999999999999, Small: -999999999,
		Huge: bigOf("-99999999999999999999999999999999999999"), Place: place{Zip: ptr(int32(math.MinInt32)), Lat: math.Copysign(0, -1)},
		Other: &place{}, Tags: []string{}, MaybeT: []string{}, Nulls: []*int64{nil}, Places: []place{}, Grid: [][]int32{}, Times: []time.Time{},
		Attrs: map[string]string{}, Deep: map[int64][]place{}, Duration: math.MinInt64,
	}
	most := event{
		base: base{math.MaxInt64}, At: time.Date(290000, 12, 31, 23, 59, 59, 999999999, utc), Milli: time.Date(200000000, 1, 1, 0, 0, 0, 0, utc),
		Nano: ptr(time.Date(2262, 4, 11, 0, 0, 0, 999999999, utc)), Day: time.Date(9999, 12, 31, 1, 0, 0, 0, utc), Name: strings.Repeat("é日本🙂", 100_000),
		Note: ptr("x\x00y\n\"'\\"), Empty: "no", Kind: strings.Repeat("z", 300), Raw: strings.Repeat("\x80", 70_000), Doc: []byte(`{"a":[1,"é"]}`),
		Body: bytes.Repeat([]byte{0xff}, 100_000), UUID: [16]byte{0xff, 1, 2}, I8: math.MaxInt8, I16: math.MaxInt16, I32: math.MaxInt32, Int: math.MaxInt64,
		U8: math.MaxUint8, U16: math.MaxUint16, U32: math.MaxUint32, U64: math.MaxUint64, F32: math.MaxFloat32, F64: math.MaxFloat64, OK: true,
		Maybe: ptr(true), Cents: 999999999999999999, Small: 999999999, Huge: bigOf("99999999999999999999999999999999999999"),
		Place: place{"x", ptr(int32(math.MaxInt32)), math.Inf(1)}, Other: &place{"y", nil, math.Inf(-1)}, Tags: []string{"", "a", ""}, MaybeT: []string{"b"},
		Nulls: []*int64{nil, ptr(int64(1)), nil}, Places: []place{{"p", nil, 1}, {"", ptr(int32(2)), 2}}, Grid: [][]int32{{}, {1, 2}, nil, {3}}, Pair: [2]float64{1, -1},
		Times: []time.Time{time.Unix(-1, 999e6).UTC(), {}}, Attrs: map[string]string{"b": "", "a": "x", "": "y"},
		Deep: map[int64][]place{2: nil, -1: {{"d", nil, 3}, {"e", ptr(int32(4)), 4}}}, Duration: math.MaxInt64, Hidden: func() {}, skipped: make(chan int),
	}
	odd := event{base: base{1}, Name: "a\xffb", F32: float32(math.NaN()), F64: math.NaN(), Huge: bigOf("-1"), Place: place{City: "\xc3\x28"}, Tags: []string{"\xf0\x28"}}
	tiny := event{base: base{2}, F32: math.SmallestNonzeroFloat32, F64: -math.SmallestNonzeroFloat64, Huge: new(big.Int), Cents: -1, Day: time.Date(1, 1, 1, 0, 0, 0, 1, utc)}
	return []event{zero, least, most, odd, tiny}
}

// encode returns rows in a format, and their number.
func encode[T any](t testing.TB, e format.Encoder[T], rows []T) []byte {
	t.Helper()
	var raw []byte
	for i := range rows {
		var err error
		if raw, err = e.Encode(raw, &rows[i]); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	return raw
}

// direct writes rows as the sink does for files: a row group for each of several blocks.
func direct[T any](t testing.TB, f format.Format[T], rows []T, block int) []byte {
	t.Helper()
	e := f.Open()
	return file(t, f, e.Header(nil), 0, func(file format.File) error {
		for i := 0; i < len(rows); i += block {
			part := rows[i:min(i+block, len(rows))]
			b, err := e.(format.Blocker).Block(nil, encode(t, e, part), len(part))
			if err != nil {
				return err
			}
			if err := file.Block(b, int64(len(part))); err != nil {
				return err
			}
		}
		return nil
	})
}

// merged writes rows as a merge does, in pieces.
func merged[T any](t testing.TB, f format.Format[T], rows []T, piece int, memory int64) []byte {
	t.Helper()
	e := f.Open()
	return file(t, f, e.Header(nil), memory, func(file format.File) error {
		for i := 0; i < len(rows); i += piece {
			part := rows[i:min(i+piece, len(rows))]
			if err := file.Rows(encode(t, e, part), int64(len(part))); err != nil {
				return err
			}
		}
		return nil
	})
}

func file[T any](t testing.TB, f format.Format[T], header []byte, memory int64, write func(format.File) error) []byte {
	t.Helper()
	var b bytes.Buffer
	file, err := f.(format.Joiner).Join().Begin(&b, header, memory)
	if err == nil {
		err = write(file)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, b []byte) *pq.File {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// text has the rows of a file, value by value with levels.
func text(t testing.TB, b []byte) (rows []string) {
	t.Helper()
	for _, g := range open(t, b).RowGroups() {
		r := g.Rows()
		buf := make([]pq.Row, 10)
		for {
			n, err := r.ReadRows(buf)
			for _, row := range buf[:n] {
				rows = append(rows, fmt.Sprintf("%+v", row))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = r.Close()
	}
	return rows
}

func must[T any](t testing.TB) func(format.Format[T], error) format.Format[T] {
	return func(f format.Format[T], err error) format.Format[T] {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

func TestDirectAndMergedFilesHaveTheSameRows(t *testing.T) {
	var rows []event
	for i := range 25 {
		for _, e := range extremes() {
			if i > 0 && len(e.Name) > 1000 {
				e.Name = e.Name[:i*7] // cut within a character
			}
			rows = append(rows, e)
		}
	}
	for _, c := range []parquet.Codec{parquet.None, parquet.Snappy, parquet.Gzip, parquet.LZ4, parquet.Brotli, parquet.Zstd} {
		f := must[event](t)(parquet.For[event](&parquet.Options{Codec: c}))
		want := text(t, direct(t, f, rows, len(rows)))
		if len(want) != len(rows) {
			t.Fatalf("%s: %d rows, want %d", c, len(want), len(rows))
		}
		for what, b := range map[string][]byte{
			"blocks": direct(t, f, rows, 7), "merged": merged(t, f, rows, 3, 0), "merged in little memory": merged(t, f, rows, 11, 1000),
		} {
			got := text(t, b)
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%s, %s: row %d is %.2000s, want %.2000s", c, what, i, got[i], want[i])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s, %s: %d rows, want %d", c, what, len(got), len(want))
			}
		}
	}
}
