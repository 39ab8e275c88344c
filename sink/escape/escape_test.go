package escape_test

import (
	"errors"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/escape"
)

// The values of the fault catalogue: paths, hidden and control names, what URLs and shells take apart, long ones.
var hostile = []string{
	"", ".", "..", "...", "../../x", "/", "//", "a/b", `\`, `..\..`, "%2e%2e", "%", "%zz", "%41", "a=b", "=", "?x", "#", "\x00", "\r\n", "a\nb",
	"\x7f", "é", "e\u0301", "\u212a", "K", "k", "\xff", "\xc3", "日本", "😀", " ", " a ", "a.", ".a", "_a", "_", "__", "_manifest", "_SEALED", "_SUCCESS",
	"_onceflow", "CON", "nul.txt", "a~1", "~", "-", "+", "a+b", "a b", "a,b", "'", `"`, "$HOME", "`id`", "*", "<script>", "null", "NULL",
	escape.Empty, "%5F_HIVE_DEFAULT_PARTITION__", strings.Repeat("x", 199), strings.Repeat("x", 200), strings.Repeat("x", 201),
	strings.Repeat("é", 33), strings.Repeat("é", 34), strings.Repeat("/", 2048), strings.Repeat("a", 119) + strings.Repeat("/", 99),
	"\ufffd", "\uffff", "\U0010fffe", "\ue000", "\u0085", "\u00a0", "\u200b", "\u200d", "\u202e", "\u2028", "\ufeff", "a\ufffdb\xffc", "\xed\xa0\x80", "é.",
	strings.Repeat("é", 100), strings.Repeat("é", 101), strings.Repeat("日", 66), strings.Repeat("日", 67), strings.Repeat("a", 118) + strings.Repeat("日", 99),
	strings.Repeat("a", 119) + strings.Repeat("é", 99), strings.Repeat("a", 118) + strings.Repeat("\u202e", 99),
	strings.Repeat("a", 118) + strings.Repeat("/", 99), strings.Repeat("a", 199) + ".", "." + strings.Repeat("a", 199),
}

func TestEscapedValuesAreSafeInjectiveAndReversible(t *testing.T) {
	seen := map[string]string{}
	for _, v := range hostile {
		e := checkEscaped(t, v)
		if w, ok := seen[e]; ok && w != v {
			t.Errorf("%q and %q both are %q", v, w, e)
		}
		seen[e] = v
		if again := string(escape.Append(nil, e)); again == e && v != e {
			t.Errorf("%q is escaped as %q, which is escaped as itself", v, e)
		}
	}
}

// checkEscaped checks everything that can be said of one value.
func checkEscaped(t *testing.T, v string) string {
	t.Helper()
	e := string(escape.Append([]byte("k="), v))[2:]
	key := "flow/k=" + e + "/file"
	if err := storage.CheckKey(key); err != nil {
		t.Errorf("%q: %v", v, err)
	}
	if path.Clean(key) != key || path.Clean("/"+e) != "/"+e || e == "" || len(e) > escape.MaxBytes || e[0] == '.' || e[len(e)-1] == '.' {
		t.Errorf("%q is escaped as %q, which is not fit for a folder", v, e)
	}
	back, err := escape.Undo(e)
	switch {
	case errors.Is(err, escape.ErrHashed):
		if len(v) <= escape.MaxBytes/3 {
			t.Errorf("%q is escaped as %q, hashed without need", v, e)
		}
	case err != nil || back != v:
		t.Errorf("%q is escaped as %q, unescaped as %q, %v", v, e, back, err)
	case e != escape.Empty:
		if u, err := url.PathUnescape(e); err != nil || u != v {
			t.Errorf("%q is escaped as %q, which as part of a URL is %q, %v", v, e, u, err)
		}
	}
	return e
}

func TestPlainValuesStandForThemselves(t *testing.T) {
	for _, v := range []string{"a", "Advertiser-17", "2025-05-01", "a.b_c~d", "0", strings.Repeat("z", 200)} {
		if e := string(escape.Append(nil, v)); e != v {
			t.Errorf("%q is escaped as %q", v, e)
		}
	}
}

// Keys such as é and 日本 were mojibake in Spark, Hive and Trino once, which take each %XX for a character.
func TestHivesReadersReadAllButTheOddValues(t *testing.T) {
	for _, v := range []string{"é", "e\u0301", "日本", "😀", "Ünï/cødé?", "%C3%A9", "a b", "ا\u200dب", "\u00a0", "\ufffd", "\ue000", "\r\n\x00", ".é.", "_é"} {
		e := string(escape.Append(nil, v))
		if got := hive(e); got != v {
			t.Errorf("%q is escaped as %q, which Hive reads as %q", v, e, got)
		}
	}
	if e := string(escape.Append(nil, "日本")); e != "日本" {
		t.Errorf("got %q, want 日本", e)
	}
}

// hive unescapes a folder as Hive, Spark and Trino do.
func hive(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteRune(rune(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// What is cut for its length ends at the end of a character.
func TestWhatIsTooLongIsCutBetweenCharacters(t *testing.T) {
	for _, tail := range []string{"é", "日", "😀", "/", "\u202e", "\xff"} {
		for n := range 125 {
			e := string(escape.Append(nil, strings.Repeat("a", n)+strings.Repeat(tail, 100)))
			head, _, ok := strings.Cut(e, "~")
			if !ok && len(e) <= escape.MaxBytes {
				continue
			}
			if !ok || !utf8.ValidString(head) || len(head) > 121 || len(head) < 110 || strings.Contains(head[len(head)-2:], "%") {
				t.Fatalf("%d a and many %q: %q", n, tail, e)
			}
		}
	}
}

// Long values that begin alike differ in their hash; a value that looks like the hashed form of another is escaped.
func TestLongValuesCannotClash(t *testing.T) {
	long := strings.Repeat("a", 2048)
	a, b := string(escape.Append(nil, long+"1")), string(escape.Append(nil, long+"2"))
	if a == b {
		t.Errorf("two long values both are %q", a)
	}
	if e := string(escape.Append(nil, a)); e == a {
		t.Errorf("the value %q has the folder of a longer one", a)
	}
}

func TestUndoRefusesWhatNoValueHas(t *testing.T) {
	for _, s := range []string{"", ".", "..", "%41", "%2f", "%", "%2", "%zz", "a/b", "%C3%A9", "\u200b", "\xc3", "%E6%97%A5", "a.", "__x", "%%", "\x00", strings.Repeat("x", 201)} {
		if v, err := escape.Undo(s); err == nil {
			t.Errorf("%q: got %q and no error", s, v)
		}
	}
}

// Two tuples of values are two folders, and one value is one: X01 to X03 of injectivity.
func FuzzAppend(f *testing.F) {
	for i, v := range hostile {
		f.Add(v, hostile[len(hostile)-1-i])
	}
	f.Fuzz(func(t *testing.T, v, w string) {
		a, b := checkEscaped(t, v), checkEscaped(t, w)
		if (a == b) != (v == w) {
			t.Errorf("%q is escaped as %q and %q as %q", v, a, w, b)
		}
	})
}

// Undo and Append are inverse from both sides.
func FuzzUndo(f *testing.F) {
	for _, v := range hostile {
		f.Add(v)
		f.Add(string(escape.Append(nil, v)))
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := escape.Undo(s); err == nil && string(escape.Append(nil, v)) != s {
			t.Errorf("%q is unescaped as %q, which is escaped as %q", s, v, escape.Append(nil, v))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, v := range map[string]string{"plain": "advertiser-1234567", "odd": "/shop/17?x=é", "japanese": "日本の広告主", "long": strings.Repeat("x", 2048)} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				dst = escape.Append(dst[:0], v)
			}
		})
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for _, v := range []string{"advertiser-17", "/shop/17?x=é"} {
		if n := testing.AllocsPerRun(100, func() { dst = escape.Append(dst[:0], v) }); n > 0 {
			t.Errorf("%q: got %v allocations, want 0", v, n)
		}
	}
}
