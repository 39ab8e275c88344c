package file

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/record"
)

func csvRecord(header, value string) *record.Record {
	return &record.Record{Value: []byte(value), Headers: []record.Header{{Key: HeaderKey, Value: []byte(header)}}}
}

func TestColumnsAreFoundByName(t *testing.T) {
	parse := Columns(CSV{}, []string{"size", "name"}, func(c [][]byte) (string, error) {
		if string(c[0]) == "bad" {
			return "", errors.New("refused")
		}
		return fmt.Sprintf("%s=%s", c[1], c[0]), nil
	})
	for _, c := range []struct{ header, value, want, fault string }{
		{"name,size", "a,1", "a=1", ""},
		{"name,size", `"a ""b""","1,2"`, `a "b"=1,2`, ""},
		{"size,x,name", "1,,a", "a=1", ""},
		{`"name","size",more`, "a,1,2,3", "a=1", ""},
		{"name,size", "a", "", `1 fields, column "size" is number 2`},
		{"name,length", "a,1", "", `no column "size"`},
		{"name,size", "a,b\"c", "", "a quote in a field"},
		{"name,size", "a,bad", "", "refused"},
	} {
		got, err := parse(csvRecord(c.header, c.value))
		if got != c.want || (c.fault == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q under %q: got %q, %v; want %q, %q", c.value, c.header, got, err, c.want, c.fault)
		}
	}
	if _, err := parse(&record.Record{Value: []byte("a,1")}); err == nil || !strings.Contains(err.Error(), "NoHeader") {
		t.Errorf("without a header: %v", err)
	}
}

func TestColumnsAllocateNothingPerRecord(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a sync.Pool forgets on purpose")
	}
	parse := Columns(CSV{}, []string{"b", "a"}, func(c [][]byte) (int, error) { return len(c[0]) + len(c[1]), nil })
	r := csvRecord("a,b", `"x ""y"" z",w`)
	if n := testing.AllocsPerRun(1000, func() {
		if v, err := parse(r); v != 8 || err != nil {
			t.Fatal(v, err)
		}
	}); n >= 1 {
		t.Errorf("%v allocations a record", n)
	}
}
