package parquet_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/format"

	"github.com/onceflow/onceflow/sink/parquet"
)

type number struct {
	F float64 `parquet:"f"`
	S string  `parquet:"s"`
	D big.Int `parquet:"d,decimal(0:30)"`
	I int64   `parquet:"i"`
	N *int64  `parquet:"n"`
}

func f64(f float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
}

func i64(n int64) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }

// Engines leave out row groups and pages by their least and greatest values. What is wrong there loses rows in silence.
func TestStatisticsMisleadNobody(t *testing.T) {
	zero := math.Copysign(0, -1)
	for name, c := range map[string]struct {
		rows  []number
		float [2]string // least and greatest of F; empty for none
		index bool      // F has page indexes
	}{
		"numbers":         {[]number{{F: 2}, {F: -1}, {F: 5}}, [2]string{f64(-1), f64(5)}, true},
		"NaN first":       {[]number{{F: math.NaN()}, {F: 1}}, [2]string{}, false},
		"NaN last":        {[]number{{F: 1}, {F: math.NaN()}}, [2]string{}, false},
		"only NaN":        {[]number{{F: math.NaN()}}, [2]string{}, false},
		"zero":            {[]number{{F: 0}}, [2]string{f64(zero), f64(0)}, true},
		"negative zero":   {[]number{{F: zero}}, [2]string{f64(zero), f64(0)}, true},
		"zero at one end": {[]number{{F: zero}, {F: 1}}, [2]string{f64(zero), f64(1)}, true},
		"infinite":        {[]number{{F: math.Inf(1)}, {F: math.Inf(-1)}}, [2]string{f64(math.Inf(-1)), f64(math.Inf(1))}, true},
	} {
		f := must[number](t)(parquet.For[number](nil))
		for _, b := range [][]byte{direct(t, f, c.rows, len(c.rows)), merged(t, f, c.rows, 1, 0)} {
			file := open(t, b)
			s := file.Metadata().RowGroups[0].Columns[0].MetaData.Statistics
			if got := [2]string{string(s.MinValue), string(s.MaxValue)}; got != c.float {
				t.Errorf("%s: got %x, want %x", name, got, c.float)
			}
			chunk := file.Metadata().RowGroups[0].Columns[0]
			if has := chunk.ColumnIndexLength > 0; has != c.index {
				t.Errorf("%s: page index: %t, want %t", name, has, c.index)
			}
			if !c.index {
				continue
			}
			index := file.ColumnIndexes()[0]
			if string(index.MinValues[0]) != c.float[0] || string(index.MaxValues[0]) != c.float[1] {
				t.Errorf("%s: the page index says %x to %x, want %x", name, index.MinValues[0], index.MaxValues[0], c.float)
			}
		}
	}
}

func TestStatisticsOfTheOtherColumns(t *testing.T) {
	var rows []number
	for i := range int64(1000) {
		rows = append(rows, number{S: fmt.Sprint("s", 1000+i), I: i - 500, D: *big.NewInt(i - 500)})
		if i%2 == 0 {
			rows[i].N = ptr(i)
		}
	}
	f := must[number](t)(parquet.For[number](nil))
	stats := func(b []byte, group int) (all []format.Statistics) {
		for _, c := range open(t, b).Metadata().RowGroups[group].Columns {
			all = append(all, c.MetaData.Statistics)
		}
		return all
	}
	for _, b := range [][]byte{direct(t, f, rows, 1000), merged(t, f, rows, 9, 0)} {
		s := stats(b, 0)
		if string(s[1].MinValue) != "s1000" || string(s[1].MaxValue) != "s1999" || string(s[3].MinValue) != i64(-500) || string(s[3].MaxValue) != i64(499) {
			t.Errorf("got %q to %q and %x to %x", s[1].MinValue, s[1].MaxValue, s[3].MinValue, s[3].MaxValue)
		}
		if s[2].MinValue != nil || s[2].MaxValue != nil {
			t.Errorf("decimals in bytes have the order of bytes: %x to %x", s[2].MinValue, s[2].MaxValue)
		}
		if s[4].NullCount != 500 || s[3].NullCount != 0 {
			t.Errorf("%d and %d nulls, want 500 and 0", s[4].NullCount, s[3].NullCount)
		}
	}
	long := strings.Repeat("long", 1<<20)
	b := direct(t, f, []number{{S: long}}, 1)
	if tail := b[len(b)-8:]; binary.LittleEndian.Uint32(tail) > 4000 {
		t.Errorf("a long text is in the footer, which has %d bytes", binary.LittleEndian.Uint32(tail))
	}
}

// A dictionary that grew too long is left, and the column goes on without.
func TestADictionaryEndsWhereItIsOfNoUse(t *testing.T) {
	type texts struct {
		Same string `parquet:"same"`
		All  string `parquet:"all"`
		None string `parquet:"none,plain"`
		Int  int64  `parquet:"int,dict"`
	}
	var rows []texts
	for i := range 60_000 {
		rows = append(rows, texts{fmt.Sprint(i % 10), fmt.Sprintf("%064d", i), fmt.Sprint(i % 10), int64(i % 5)})
	}
	f := must[texts](t)(parquet.For[texts](nil))
	for _, b := range [][]byte{direct(t, f, rows, len(rows)), merged(t, f, rows, 50, 0)} {
		columns := open(t, b).Metadata().RowGroups[0].Columns
		pages := func(i int, e format.Encoding) (n int32) {
			for _, s := range columns[i].MetaData.EncodingStats {
				if s.PageType != format.DictionaryPage && s.Encoding == e {
					n += s.Count
				}
			}
			return n
		}
		for i, want := range [][2]bool{{true, false}, {true, true}, {false, true}, {true, false}} {
			if got := [2]bool{pages(i, format.RLEDictionary) > 0, pages(i, format.Plain) > 0}; got != want {
				t.Errorf("column %d has pages with a dictionary and without: %t, want %t", i, got, want)
			}
		}
		if n := columns[1].MetaData.DataPageOffset - columns[1].MetaData.DictionaryPageOffset; n > 4<<20 {
			t.Errorf("a dictionary of %d bytes", n)
		}
		if got := text(t, b); len(got) != len(rows) || !strings.Contains(got[59_999], fmt.Sprintf("%064d", 59_999)) {
			t.Errorf("%d rows, the last one %s", len(got), got[len(got)-1])
		}
	}
}
