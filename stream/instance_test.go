package stream

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAnInstanceHasAPrintableNameOfFewBytes(t *testing.T) {
	host, err := os.Hostname()
	if err != nil || host == "" {
		t.Fatal(host, err)
	}
	for name, want := range map[string]string{
		"": host, "etl-7d9f": "etl-7d9f", "a b": "a b", "a\nlevel=ERROR": "a_level=ERROR", "\x1b[31mred": "_[31mred",
		"\u202etxt": "_txt", "bad \xff utf": "bad _ utf", strings.Repeat("é", 60): strings.Repeat("é", 50),
		"x" + strings.Repeat("é", 60): "x" + strings.Repeat("é", 49),
	} {
		got := instanceName(name)
		if got != want || len(got) > mostInstance || !utf8.ValidString(got) {
			t.Errorf("%q is named %q, want %q", name, got, want)
		}
	}
}
