package quick

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/file"
)

func TestTimesAreRFC3339OrUnix(t *testing.T) {
	want := time.Date(2025, 5, 1, 6, 0, 0, 500_000_000, time.UTC)
	for _, raw := range []string{
		`"2025-05-01T06:00:00.5Z"`, `"2025-05-01T08:00:00.5+02:00"`, `1746079200.5`, `1746079200500`, `"1746079200500"`, `1746079200500.0`, `1.7460792005e9`,
	} {
		got, err := parseTime(json.RawMessage(raw))
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{`"yesterday"`, `null`, `{}`, `""`, `true`, `"NaN"`} {
		if got, err := parseTime(json.RawMessage(raw)); err == nil && got.Year() > 1 && got.Year() < 9999 {
			t.Errorf("%s: got %v", raw, got)
		}
	}
}

func TestFlowNamesAreAllowedOnes(t *testing.T) {
	for raw, want := range map[string]string{
		`"click"`: "click", `"Page View"`: "page-view", `3`: "3", `true`: "true", `""`: "other", `"..//"`: "other", `"late"`: "late-",
		`"ÄÖ-x"`: "x", `null`: "other", ``: "other", `{"a":1}`: "a--1",
	} {
		if got := flowName(json.RawMessage(raw)); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
	if got := flowName(json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)); len(got) > 64 {
		t.Errorf("a name of %d bytes", len(got))
	}
}

func TestFirstLinesSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ text, time, by, want string }{
		{`{"ts":1746079200,"kind":"x","n":1}`, "time", "", `no field "time"`},
		{`{"ts":1746079200,"kind":"x","n":1}`, "time", "", "are kind, n, ts"},
		{`{"ts":1746079200,"kind":"x"}`, "ts", "color", `field "color" that -by names`},
		{`{"ts":"soon"}`, "ts", "", `"soon" is neither RFC 3339 nor Unix seconds`},
		{"a,b,c\n1,2,3\n", "ts", "", "not a JSON object"},
		{"", "ts", "", "no line in the files"},
	} {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := lookAt(t.Context(), file.Config{Paths: []string{name}}, &Options{Time: c.time, By: c.by})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
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
	flows, err := lookAt(t.Context(), file.Config{Paths: []string{name}}, &Options{Time: "t", By: "kind"})
	if err != nil {
		t.Fatal(err)
	}
	if len(flows) != maxFlows || flows[0] != "most" || flows[maxFlows-1] != otherFlow {
		t.Errorf("got %q", flows)
	}
	o := &Options{Time: "t", By: "kind"}
	for kind, want := range map[string]string{"Most": "most", "never seen": otherFlow} {
		if l, err := parseOwn([]byte(`{"t":1746079200,"kind":"`+kind+`"}`), o, flows); err != nil || l.flow != want {
			t.Errorf("%s: got %q, %v", kind, l.flow, err)
		}
	}
}

func TestFlagsTakeSeveralFiles(t *testing.T) {
	var said strings.Builder
	o, err := Parse([]string{"-in", "a", "b", "-time", "ts", "c", "-in", "d", "-codec", "gzip"}, &said)
	if err != nil || !slices.Equal(o.In, []string{"a", "b", "c", "d"}) || o.Time != "ts" || o.Out != "out/own" {
		t.Errorf("got %+v, %v, %s", o, err, said.String())
	}
	if _, err := Parse([]string{"-codec", "rar"}, &said); err == nil || !strings.Contains(err.Error(), "gzip, lz4, none, s2, snappy, zstd") {
		t.Errorf("-codec rar: got %v", err)
	}
}
