package parquet_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/parquet"
)

type list struct {
	Next *list `parquet:"next"`
}

func TestTypesWithoutAPlaceInASchemaAreRefusedByName(t *testing.T) {
	for want, make := range map[string]func() error{
		"field Any: interface {} has no place": func() error { _, err := parquet.For[struct{ Any any }](nil); return err },
		"field a.b: func() has no place": func() error {
			_, err := parquet.For[struct {
				A struct {
					B func() `parquet:"b"`
				} `parquet:"a"`
			}](nil)
			return err
		},
		"field C: chan int has no place":           func() error { _, err := parquet.For[struct{ C chan int }](nil); return err },
		"field C: complex128 has no place":         func() error { _, err := parquet.For[struct{ C complex128 }](nil); return err },
		"field next.next: parquet_test.list has":   func() error { _, err := parquet.For[struct{ list }](nil); return err },
		"field Addr: netip.Addr has no exported":   func() error { _, err := parquet.For[struct{ Addr netip.Addr }](nil); return err },
		"field of the row: struct {} has no":       func() error { _, err := parquet.For[struct{}](nil); return err },
		"field M: the keys of map[float64]string":  func() error { _, err := parquet.For[struct{ M map[float64]string }](nil); return err },
		"field P: **int is a pointer to a pointer": func() error { _, err := parquet.For[struct{ P **int }](nil); return err },
		"field N: a big.Int needs the option":      func() error { _, err := parquet.For[struct{ N big.Int }](nil); return err },
		"field L[]: interface {} has no place":     func() error { _, err := parquet.For[struct{ L []any }](nil); return err },
		"field id: the name is that of the field ID": func() error {
			_, err := parquet.For[struct {
				A int `parquet:"ID"`
				B int `parquet:"id"`
			}](nil)
			return err
		},
		"field X: the options zstd are unknown": func() error {
			_, err := parquet.For[struct {
				X int `parquet:",zstd"`
			}](nil)
			return err
		},
		"field X: decimal(3:2) is not": func() error {
			_, err := parquet.For[struct {
				X int64 `parquet:",decimal(3:2)"`
			}](nil)
			return err
		},
		"field X: decimal(0:19) is not": func() error {
			_, err := parquet.For[struct {
				X int64 `parquet:",decimal(0:19)"`
			}](nil)
			return err
		},
		"field X: timestamp(second) is in none": func() error {
			_, err := parquet.For[struct {
				X time.Time `parquet:",timestamp(second)"`
			}](nil)
			return err
		},
		"field X: the options date are unknown": func() error {
			_, err := parquet.For[struct {
				X string `parquet:",date"`
			}](nil)
			return err
		},
		"rows of type int: a row is a struct":       func() error { _, err := parquet.For[int](nil); return err },
		"rows of type time.Time: a row is a struct": func() error { _, err := parquet.For[time.Time](nil); return err },
		"no codec \"lzo\"":                          func() error { _, err := parquet.For[event](&parquet.Options{Codec: "lzo"}); return err },
		"RowGroupBytes 5 is less":                   func() error { _, err := parquet.For[event](&parquet.Options{RowGroupBytes: 5}); return err },
		"got nil":                                   func() error { _, err := parquet.ForFunc[event, event](nil, nil); return err },
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	_, err := parquet.For[struct {
		A any
		B chan int
	}](nil)
	if err == nil || !strings.Contains(err.Error(), "field A") || !strings.Contains(err.Error(), "field B") {
		t.Errorf("got %v, want an error that names both fields", err)
	}
}

// An int64 of nanoseconds wraps around in silence behind the year 2262.
func TestARowThatDoesNotFitIsAnErrorWithTheFieldsName(t *testing.T) {
	far := time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, spoil := range map[string]func(*event){
		"field at:":     func(e *event) { e.At = far },
		"field milli:":  func(e *event) { e.Milli = time.Unix(math.MaxInt64/1000, 0) },
		"field nano:":   func(e *event) { e.Nano = new(time.Time) },
		"field day:":    func(e *event) { e.Day = time.Unix(math.MaxInt32*86400+86400, 0) },
		"field cents:":  func(e *event) { e.Cents = 1e18 },
		"field small:":  func(e *event) { e.Small = math.MinInt32 },
		"field huge:":   func(e *event) { e.Huge = bigOf("-100000000000000000000000000000000000000") },
		"field doc:":    func(e *event) { e.Doc = []byte("{") },
		"field times[]": func(e *event) { e.Times = []time.Time{{}, time.Unix(math.MinInt64/1000, 0)} },
		"the row has":   func(e *event) { e.Body = make([]byte, 257<<20) },
	} {
		f := must[event](t)(parquet.For[event](nil))
		e := f.Open()
		row := extremes()[2]
		spoil(&row)
		if _, err := e.Encode(nil, &row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func TestRowsOfAFunction(t *testing.T) {
	type row struct {
		Name string `parquet:"name"`
		Tags []string
	}
	f := must[any](t)(parquet.ForFunc(func(r *row, v *any) error {
		s, ok := (*v).(string)
		if !ok {
			return errors.New("no text")
		}
		if r.Name = s; s == "a" {
			r.Tags = []string{"x"}
		}
		return nil
	}, nil))
	if got := text(t, direct(t, f, []any{"a", "b"}, 2)); len(got) != 2 || strings.Contains(got[1], "x") {
		t.Errorf("got %s: a row has something of the one before", got)
	}
	if _, err := f.Open().Encode(nil, ptr(any(1))); err == nil || err.Error() != "no text" {
		t.Errorf("got %v, want the function's error", err)
	}
}

// flat is a row as most are.
type flat struct {
	ID      int64     `parquet:"id"`
	At      time.Time `parquet:"at"`
	URL     string    `parquet:"url"`
	Country *string   `parquet:"country"`
	Price   int64     `parquet:"price,decimal(2:18)"`
	Score   float64   `parquet:"score"`
	Mobile  bool      `parquet:"mobile"`
	Agent   place     `parquet:"agent"`
	Tags    []string  `parquet:"tags"`
	Body    []byte    `parquet:"body"`
	Sum     big.Int   `parquet:"sum,decimal(0:38)"`
}

func flats(n int) []flat {
	rows := make([]flat, n)
	for i := range rows {
		rows[i] = flat{
			ID: int64(i), At: time.Unix(1767330000+int64(i), 5000).UTC(), URL: "/shop/" + strings.Repeat("x", i%7), Price: int64(i) * 7, Score: float64(i) / 3,
			Mobile: i%2 == 0, Agent: place{City: "city", Lat: float64(i % 90)}, Body: []byte("payload"), Sum: *big.NewInt(-int64(i)),
		}
		if i%3 == 0 {
			rows[i].Country = ptr("de")
			rows[i].Tags = []string{"a", "b"}
		}
	}
	return rows
}

// The hot path.
func TestEncodeDoesNotAllocate(t *testing.T) {
	e := must[flat](t)(parquet.For[flat](nil)).Open()
	row := flats(4)[3]
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := e.Encode(dst, &row); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a row, want 0", n)
	}
}

func TestOneInputMakesOneFile(t *testing.T) {
	f := must[event](t)(parquet.For[event](nil))
	g := must[event](t)(parquet.For[event](nil))
	if !bytes.Equal(direct(t, f, extremes(), 2), direct(t, g, extremes(), 2)) || !bytes.Equal(merged(t, f, extremes(), 2, 0), merged(t, g, extremes(), 2, 0)) {
		t.Error("two files of the same rows differ")
	}
	j := f.(format.Joiner).Join()
	a, b := f.Open().Header(nil), g.Open().Header(nil)
	other := must[event](t)(parquet.For[event](&parquet.Options{Codec: parquet.Snappy})).Open().Header(nil)
	if !j.Alike(a, b) || j.Alike(a, other) {
		t.Error("headers of one schema differ, or those of two codecs do not")
	}
}

// What a store gives back may be anything, and must not end the process.
func FuzzRowsAndBlocks(f *testing.F) {
	form, err := parquet.For[event](nil)
	if err != nil {
		f.Fatal(err)
	}
	e := form.Open()
	header := e.Header(nil)
	for _, row := range extremes() {
		if len(row.Name) > 1000 {
			row.Name, row.Body, row.Raw = "long", nil, ""
		}
		raw := encode(f, e, []event{row})
		block, err := e.(format.Blocker).Block(nil, raw, 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, 5)
		f.Add(block, 60)
	}
	f.Fuzz(func(_ *testing.T, b []byte, at int) {
		if at >= 0 && at < len(b) {
			b = bytes.Clone(b)
			b[at] ^= 0x55
		}
		for _, read := range []func(format.File) error{
			func(f format.File) error { return f.Rows(b, 1) }, func(f format.File) error { return f.Block(b, 1) },
		} {
			file, err := form.(format.Joiner).Join().Begin(io.Discard, header, 0)
			if err != nil {
				panic(err)
			}
			if read(file) == nil {
				_ = file.Close()
			}
		}
		_, _ = form.(format.Joiner).Join().Begin(io.Discard, b, 0)
	})
}

func TestRowsThatAreCutAreErrors(t *testing.T) {
	f := must[event](t)(parquet.For[event](nil))
	e := f.Open()
	row := extremes()[2]
	row.Name, row.Body, row.Raw = "long", nil, ""
	raw := encode(t, e, []event{row})
	for n := range raw {
		file, err := f.(format.Joiner).Join().Begin(io.Discard, e.Header(nil), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Rows(raw[:n], 1); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a row", n, len(raw))
		}
	}
	file, err := f.(format.Joiner).Join().Begin(io.Discard, e.Header(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Rows(append(raw, 0), 1); err == nil {
		t.Error("a byte behind a row is passed over")
	}
	if !reflect.DeepEqual(text(t, merged(t, f, []event{row}, 1, 0)), text(t, direct(t, f, []event{row}, 1))) {
		t.Error("the row is not the same")
	}
}
