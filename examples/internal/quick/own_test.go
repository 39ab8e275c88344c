package quick

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
)

func TestTimesAreThoseThatLogsAndDatabasesWrite(t *testing.T) {
	warsaw, err := time.LoadLocation("Europe/Warsaw")
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2025, 5, 1, 6, 0, 0, 500_000_000, time.UTC)
	for _, s := range []string{
		"2025-05-01T06:00:00.5Z", "2025-05-01T08:00:00.5+02:00", "1746079200.5", "1746079200500", "1746079200500.0", "1.7460792005e9",
		"2025-05-01 08:00:00.5", "2025-05-01T08:00:00.5", "2025-05-01 06:00:00.500 +0000", "2025-05-01 06:00:00.5+00", "2025-05-01 06:00:00.5Z", "2025-05-01 06:00:00.5 UTC",
		"2025/05/01 08:00:00.5", "20250501 08:00:00.5",
	} {
		got, err := parseTime(s, warsaw)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	for s, want := range map[string]time.Time{
		"[01/May/2025:08:00:00 +0200]": want.Truncate(time.Second), "2020-07-16 21:52:54": time.Date(2020, 7, 16, 19, 52, 54, 0, time.UTC),
		"2025-05-01": time.Date(2025, 4, 30, 22, 0, 0, 0, time.UTC), "-1.5": time.UnixMilli(-1500),
	} {
		if got, err := parseTime(s, warsaw); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"yesterday", "null", "{}", "", "true", "NaN", "Inf", "-Inf", "1e300", "-1e16", "2025-13-01 00:00:00", "01.05.2025"} {
		if got, err := parseTime(s, time.UTC); err == nil {
			t.Errorf("%s: got %v", s, got)
		}
	}
}

func TestFlowNamesAreAllowedOnes(t *testing.T) {
	for raw, want := range map[string]string{
		`"click"`: "click", `"Page View"`: "page-view", `3`: "3", `true`: "true", `""`: "other", `"..//"`: "other", `"late"`: "late-",
		`"ÄÖ-x"`: "x", `null`: "other", ``: "other", `{"a":1}`: "a--1",
	} {
		if got := flowName(text(json.RawMessage(raw))); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
	if got := flowName(strings.Repeat("x", 1000)); len(got) > 64 {
		t.Errorf("a name of %d bytes", len(got))
	}
}

func TestFirstLinesSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ text, time, by, want string }{
		{`{"ts":1746079200,"kind":"x","n":1}`, "time", "", `no field "time"`},
		{`{"ts":1746079200,"kind":"x","n":1}`, "time", "", "are kind, n, ts"},
		{`{"ts":1746079200,"kind":"x"}`, "ts", "color", `field "color" that -by names`},
		{`{"ts":"soon"}`, "ts", "", `"soon" is no time that this program knows: RFC 3339,`},
		{"a,b,c\n1,2,3\n", "ts", "", "no field \"ts\""},
		{"a,b,c\n1,2,3\n", "ts", "", "its fields, for -time, -by and -id, are a, b, c"},
		{"a,b,c\n", "a", "", "no line in the files"},
		{"a b c\n", "a", "", "neither a JSON object nor the names of columns"},
		{"", "ts", "", "no line in the files"},
	} {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := look(t, &Options{In: []string{name}, Time: []string{c.time}, By: c.by, Zone: time.UTC})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
}

func look(t *testing.T, o *Options) ([]string, error) {
	t.Helper()
	s, err := shapeOf(t.Context(), o.In)
	if err != nil {
		return nil, err
	}
	return s.lookAt(t.Context(), o)
}

func TestFewFlowsOfManyValues(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		kind := "k" + string(rune('a'+i%26))
		if i%3 == 0 {
			kind = "Most"
		}
		b.WriteString(`{"t":1746079200,"kind":"` + kind + `"}` + "\n")
	}
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	o := &Options{In: []string{name}, Time: []string{"t"}, By: "kind", Zone: time.UTC}
	flows, err := look(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(flows) != maxFlows || flows[0] != "most" || flows[maxFlows-1] != otherFlow {
		t.Errorf("got %q", flows)
	}
	parse := new(shape).parser(o, flows)
	for kind, want := range map[string]string{"Most": "most", "never seen": otherFlow} {
		if l, err := parse(&stream.Record{Value: []byte(`{"t":1746079200,"kind":"` + kind + `"}`)}); err != nil || l.flow != want {
			t.Errorf("%s: got %q, %v", kind, l.flow, err)
		}
	}
}

func TestFlagsTakeSeveralFiles(t *testing.T) {
	var said strings.Builder
	o, err := Parse([]string{"-in", "a", "b", "-time", "ts", "c", "-in", "d", "-codec", "gzip"}, &said)
	if err != nil || !slices.Equal(o.In, []string{"a", "b", "c", "d"}) || !slices.Equal(o.Time, []string{"ts"}) || o.Out != "out/own" {
		t.Errorf("got %+v, %v, %s", o, err, said.String())
	}
	o, err = Parse([]string{"-in", "a", "-time", "date,time", "-zone", "Europe/Warsaw", "-id", "ip,user"}, &said)
	if err != nil || !slices.Equal(o.Time, []string{"date", "time"}) || o.Zone.String() != "Europe/Warsaw" || !slices.Equal(o.ID, []string{"ip", "user"}) {
		t.Errorf("got %+v, %v, %s", o, err, said.String())
	}
	if _, err := Parse([]string{"-zone", "Europe/Warszawa"}, &said); err == nil {
		t.Error("an unknown zone: got no error")
	}
	if _, err := Parse([]string{"-codec", "rar"}, &said); err == nil || !strings.Contains(err.Error(), "gzip, lz4, none, s2, snappy, zstd") {
		t.Errorf("-codec rar: got %v", err)
	}
}

// Two IDs whose bytes are no UTF-8 both became U+FFFD once, and the second line was dropped as a copy of the first.
func TestIDsWhoseBytesAreNoTextStayApart(t *testing.T) {
	seen := map[string]string{}
	for _, raw := range []string{`"a"`, "\"\xff\"", "\"\xfe\"", `"\ud800"`, `"\ud801"`, `7`} {
		got := text(json.RawMessage(raw))
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both %q", raw, other, got)
		}
		seen[got] = raw
	}
}
