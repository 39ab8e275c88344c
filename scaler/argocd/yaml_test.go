package argocd

import (
	"strings"
	"testing"
)

func TestLocateFindsTheNumberAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"a:\n  b: 4\n":                               "4",
		"a:\n    b:   \"4\"   # c\n":                 "4",
		"a: &x\n  b: '4'\n":                          "4",
		"---\n# c\na:\n  b: 4":                       "4",
		"%YAML 1.1\n---\na:\n  b: 4":                 "4",
		"x:\n  b: 9\na:\n  c:\n    b: 9\n  b: 4\n":   "4",
		"a:\n  \"b\": 4\r\n  c: 5\r\n":               "4",
		"a:\n  l:\n  - b: 9\n    b: 8\n  b: 4\n":     "4",
		"a:\n  l:\n    - b: 9\n  b: 4\n":             "4",
		"t: |\n  a:\n    b: 9\na:\n  b: 4\n":         "4",
		"t: >-\n\n  a:\n    b: 9\na:\n  b: 4\n":      "4",
		"f: {a: {b: 9},\n  b: 9}\na:\n  b: 4\n":      "4",
		"s: \"x\n  a:\n  b: 9\"\na:\n  b: 4\n":       "4",
		"a.b: 9\na:\n  b: 4\n":                       "4",
		"a:\n  b: 4\nb: 5\n":                         "4",
		"a: {b: 4} # c\n":                            "4",
		"a:\n  b:\n    4\n":                          "4",
		"a:\n  b: &n 4 # c\nc: *n\n":                 "4",
		"a:\n  b: &n \"4\"\nc: *n\n":                 "4",
		"x: &x {b: 9}\na:\n  <<: *x\n  b: 4\n":       "4",
		"\"ä\": {a: 1, ö: ü}\na: {ä: ö, b: 4}\n":     "4",
		"\ufeffa: {b: 4}\n":                          "4",
		"? a\n: b: 4\n":                              "4",
		"\ufeff# ä\na:\n  b: 4\n":                    "4",
		"a:\n  b: &n # ä\n    4\n":                   "4",
		"a:\n  b: &n # 9\n    # &n 9\n\n    \"4\"\n": "4",
		"a:\n  b: 4\n...\n":                          "4",
		"a:\n  b:\t4\n":                              "4",
		"a:\t{b:\t4}\n":                              "4",
		"a:\n  b: 4\t# c\n":                          "4",
		// A number that others share, or that is not plain, is refused.
		"a:\n  b: 4\n  b: 5\n":        "",
		"a:\n  b: 4\na:\n  b: 5\n":    "",
		"x: &x 4\na:\n  b: *x\n":      "",
		"x: &x {b: 4}\na: *x\n":       "",
		"x: &x {b: 4}\na: {<<: *x}\n": "",
		"a:\n  b: !!int 4\n":          "",
		"a:\n  b: |\n    4\n":         "",
		"a:\n  b: \"\\x34\"\n":        "",
		"a:\n  b:\n":                  "",
		"%YAML 1.2\n---\na:\n  b: 4":  "", // which Helm does not read either
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
		changed, err := l.replace(text, "17")
		if err != nil || changed != text[:l.from]+strings.Replace(text[l.from:], "4", "17", 1) {
			t.Errorf("%q became %q, %v", text, changed, err)
		}
	}
}

// What a person wrote in the file is still there behind a step of the scaler, down to the spaces.
// A key with dots could not be named, and 010 is 8 to a reader of YAML 1.1.
func TestKeysMayHaveDots(t *testing.T) {
	for path, want := range map[string]string{`a.b`: "1", `a\.b`: "2", `a\.b\.c.d`: "3", `x\y.z`: "4", `e\`: "5"} {
		l, err := locate("a: {b: 1}\na.b: 2\na.b.c: {d: 3}\n'x\\y': {z: 4}\n'e\\': 5\n", keysOf(path))
		if err != nil || l.scalar.text != want {
			t.Errorf("%s: got %v, %v, want %s", path, l.scalar, err, want)
		}
	}
}

func TestNumbersThatReadersReadInTwoWaysAreRefused(t *testing.T) {
	for _, text := range []string{"010", "00", "+4", "-1", "4.0", "1e3", "0x4", "1_0", "99999999999999999999", "1000001"} {
		if n, err := (scalar{text: text}).copies(); err == nil {
			t.Errorf("%s: got %d copies", text, n)
		}
	}
	for _, text := range []string{"010", "+2", "NaN", "Inf", "1e300", "0", "-1", "m", "1000001"} {
		if n, err := (scalar{text: text}).cores(); err == nil {
			t.Errorf("%s: got %g cores", text, n)
		}
	}
	for text, want := range map[string]float64{"0.5": 0.5, "500m": 0.5, "2": 2, "1e1": 10} {
		if n, err := (scalar{text: text}).cores(); err != nil || n != want {
			t.Errorf("%s: got %g, %v, want %g", text, n, err, want)
		}
	}
}

func TestReplaceKeepsCommentsOrderAndAnchors(t *testing.T) {
	const file = `# head
z: 1   # last letter first

common: &common
  image: "etl:1"
etl:
  <<: *common # shared
  # how many copies run
  replicaCount:   &n  4   # the scaler sets this
  list: [ a,b ,  c ]
mirror: *n
# foot
`
	l, err := locate(file, []string{"etl", "replicaCount"})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(file, "&n  4 ", "&n  12 ", 1)
	if got, err := l.replace(file, "12"); err != nil || got != want {
		t.Errorf("got\n%s%v, want\n%s", got, err, want)
	}
}

// A number in a key's place is told apart from one in a value's only by what the file says as a whole.
func TestReplaceRefusesToChangeMoreThanTheNumber(t *testing.T) {
	const file = "a: 4\nb: 5\n"
	l := location{from: 3, to: 7, scalar: scalar{text: "4\nb:"}}
	if got, err := l.replace(file, "17"); err == nil {
		t.Errorf("became %q, want a refusal", got)
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
		changed, err := l.replace(text, "17")
		if err != nil {
			return // it would have changed more
		}
		again, err := locate(changed, keys)
		if err != nil || again.scalar.text != "17" {
			t.Fatalf("%q became %q (%v)", text, changed, err)
		}
		if back, err := again.replace(changed, l.scalar.text); err != nil || back != text {
			t.Fatalf("%q became %q and then %q (%v)", text, changed, back, err)
		}
	})
}
