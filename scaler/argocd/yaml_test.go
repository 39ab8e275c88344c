package argocd

import (
	"strings"
	"testing"
)

func TestLocateFindsTheNumberAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"a:\n  b: 4\n":                             "4",
		"a:\n    b:   \"4\"   # c\n":               "4",
		"a: &x\n  b: '4'\n":                        "4",
		"---\n# c\na:\n  b: 4":                     "4",
		"%YAML 1.2\n---\na:\n  b: 4":               "4",
		"x:\n  b: 9\na:\n  c:\n    b: 9\n  b: 4\n": "4",
		"a:\n  \"b\": 4\r\n  c: 5\r\n":             "4",
		"a:\n  l:\n  - b: 9\n    b: 8\n  b: 4\n":   "4",
		"a:\n  l:\n    - b: 9\n  b: 4\n":           "4",
		"t: |\n  a:\n    b: 9\na:\n  b: 4\n":       "4",
		"t: >-\n\n  a:\n    b: 9\na:\n  b: 4\n":    "4",
		"f: {a: {b: 9},\n  b: 9}\na:\n  b: 4\n":    "4",
		"s: \"x\n  a:\n  b: 9\"\na:\n  b: 4\n":     "4",
		"a.b: 9\na:\n  b: 4\n":                     "4",
		"a:\n  b: 4\nb: 5\n":                       "4",
		// What is not understood is refused.
		"a:\n  b: 4\n  b: 5\n":        "",
		"a:\n  b: 4\na:\n  b: 5\n":    "",
		"a: {b: 4}\n":                 "",
		"a:\n  b: *x\n":               "",
		"a:\n  b: !!int 4\n":          "",
		"a:\n  b:\n    4\n":           "",
		"a:\n\tb: 4\n":                "",
		"a:\n  b: 4\n---\na:\n  b: 5": "",
		"a:\n  b: {{ .Values.x }}\n":  "",
		"a:\n  b: 4 5\n":              "",
		"- a:\n    b: 4\n":            "",
		"":                            "",
	} {
		l, err := locate(text, []string{"a", "b"})
		if want == "" {
			if err == nil {
				t.Errorf("%q: found %v, want a refusal", text, l)
			}
			continue
		}
		if err != nil || l.scalar.text != want {
			t.Errorf("%q: %v (%v), want %s", text, l.scalar, err, want)
			continue
		}
		changed := l.replace(text, "17")
		again, err := locate(changed, []string{"a", "b"})
		if err != nil || again.scalar.text != "17" || again.replace(changed, want) != text {
			t.Errorf("%q became %q", text, changed)
		}
	}
}

// Whatever the file is, only the number changes, and can be changed back.
func FuzzLocate(f *testing.F) {
	f.Add("a:\n  b: 4\n", "a.b")
	f.Add(valuesFile, "etl.replicaCount")
	f.Fuzz(func(t *testing.T, text, path string) {
		keys := strings.Split(path, ".")
		l, err := locate(text, keys)
		if err != nil {
			return
		}
		if text[l.from:l.to] != l.scalar.String() {
			t.Fatalf("found %q at %q", l.scalar, text[l.from:l.to])
		}
		changed := l.replace(text, "17")
		if back, err := locate(changed, keys); err != nil || back.replace(changed, l.scalar.text) != text {
			t.Fatalf("%q became %q (%v)", text, changed, err)
		}
	})
}
