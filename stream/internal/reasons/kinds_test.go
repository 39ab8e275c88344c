package reasons

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

func TestLabelsAreShortAndPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"bot":                         "bot",
		"a\nb\x00\xff\u2028":          "a?b???",
		strings.Repeat("x", 100):      strings.Repeat("x", 64),
		strings.Repeat("é", 40):       strings.Repeat("é", 32),
		"x" + strings.Repeat("日", 30): "x" + strings.Repeat("日", 21),
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\xffb", "stage")
	f.Fuzz(func(t *testing.T, text, stage string) {
		for _, s := range []string{printable(text), printable(DeadWhy(stage, errors.New(text)))} {
			if len(s) > maxWhy || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q and %q give %q", stage, text, s)
			}
			if printable(s) != s {
				t.Errorf("%q becomes %q the second time", s, printable(s))
			}
		}
	})
}

// An error's text holds what differs from record to record: each record would else be a kind of its own.
func TestKindsOfDeadLettersLeaveOutWhatDiffers(t *testing.T) {
	var syntax struct{ N int }
	jsonError := func(text string) error { return json.Unmarshal([]byte(text), &syntax) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "s: no error"},
		{fmt.Errorf("x: %w", stage.ErrEventTime), "s: event time"},
		{&record.PanicError{Value: "row 17"}, "s: panic"},
		{errors.New("field 17 of 23 is missing"), "s: field # of # is missing"},
		{errors.New(`no site "a b" and no 'x'; it can't be`), "s: no site # and no #; it can't be"},
		{jsonError(`{"N":}`), "s: invalid character # looking for beginning of value"},
		{errors.New(`cut: "abc`), "s: cut: #"},
	} {
		if got := DeadWhy("s", c.err); got != c.want {
			t.Errorf("%v is of the kind %q, want %q", c.err, got, c.want)
		}
	}
}
