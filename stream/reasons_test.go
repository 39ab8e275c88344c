package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// T58: what has no room of its own counts as "other", so that the reasons of dead letters add up to the dead.
func TestReasonsOfATransactionAreBoundedAndAddUp(t *testing.T) {
	lanes := make([]laneCut, 3)
	want := map[record.Fate]int64{}
	for i := range lanes {
		lanes[i].reasons = map[record.Reason]int64{{Fate: record.Filtered, Why: "bot"}: 1000}
		want[record.Filtered] += 1000
		for k := range 30 {
			n := int64(1 + k)
			lanes[i].reasons[record.Reason{Fate: record.Dead, Why: fmt.Sprint("kind ", k)}] = n
			lanes[i].reasons[record.Reason{Fate: record.Duplicate, Why: fmt.Sprint("copy ", k)}] = 1
			want[record.Dead], want[record.Duplicate] = want[record.Dead]+n, want[record.Duplicate]+1
		}
	}
	got := sumReasons(lanes)
	sum := map[record.Fate]int64{}
	for r, n := range got {
		sum[r.Fate] += n
	}
	if !maps.Equal(sum, want) || len(got) > txnReasons+record.Fates {
		t.Errorf("got %v in %d reasons, want %v in at most %d", sum, len(got), want, txnReasons+record.Fates)
	}
	if got[record.Reason{Fate: record.Filtered, Why: "bot"}] != 3000 || got[record.Reason{Fate: record.Dead, Why: "kind 29"}] != 90 {
		t.Errorf("got %v, want the most frequent ones by name", got)
	}
	if none := sumReasons(make([]laneCut, 2)); none != nil {
		t.Errorf("got %v of lanes without reasons, want nil", none)
	}
}

func TestReasonsOfAStatusAreBoundedAndAddUp(t *testing.T) {
	var sum map[record.Reason]int64
	for i := range 1000 {
		before := sum
		n := len(before)
		sum = addReasons(sum, map[record.Reason]int64{{Fate: record.Dead, Why: fmt.Sprint("kind ", i)}: 1, {Fate: record.Filtered, Why: "bot"}: 1})
		if len(before) != n {
			t.Fatal("a Status that was given away has changed")
		}
	}
	all := int64(0)
	for _, n := range sum {
		all += n
	}
	if all != 2000 || len(sum) > moreReasons+record.Fates || sum[record.Reason{Fate: record.Filtered, Why: "bot"}] != 1000 {
		t.Errorf("%d records in %d reasons, want 2000 in at most %d", all, len(sum), moreReasons+record.Fates)
	}
}

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
		for _, s := range []string{printable(text), printable(deadWhy(stage, errors.New(text)))} {
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
		if got := deadWhy("s", c.err); got != c.want {
			t.Errorf("%v is of the kind %q, want %q", c.err, got, c.want)
		}
	}
}

// Each dead record has one reason, whoever rejected it, and a label of Drop counts for the fate that was given.
func TestEachDeadRecordHasAReason(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:reject=why1", "", "c c:emit=bad", "d d:drop=twin", "e e:emit=bad e:drop=twin", "f f:emit=bad f:emit=x", "g g:emit=late")
	cut := l.cut()
	want := map[record.Reason]int64{
		{Fate: record.Dead, Why: "stream.say: why#"}: 1, {Fate: record.Dead, Why: "decode: empty"}: 1, {Fate: record.Dead, Why: "output: cannot be written"}: 2, {Fate: record.Duplicate, Why: "twin"}: 1,
	}
	got := map[record.Reason]int64{}
	for r, n := range cut.reasons {
		if i := strings.LastIndex(r.Why, "say"); i >= 0 {
			r.Why = "stream." + r.Why[i:]
		}
		got[r] = n
	}
	if !maps.Equal(got, want) {
		t.Errorf("reasons %v, want %v", got, want)
	}
	if n := cut.Counts[testParts[0]][record.Dead]; n != 4 {
		t.Errorf("%d records are dead, want 4", n)
	}
	l.feed(0, "z z:emit=x")
	if cut := l.cut(); len(cut.reasons)+len(cut.examples) > 0 {
		t.Errorf("the next cut has %v and %v again", cut.reasons, cut.examples)
	}
}

// 7,702 late rows of a forgotten file and 3,387 useless seals went by without a word.
func TestLateAndDeadRowsAreToldWhenTheyBegin(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var b statusBoard
	commit := func(at time.Duration, values ...string) (late, dead int) {
		out.Reset()
		l.feed(0, values...)
		b.tellBeginnings(log, minute(0).Add(at), []laneCut{l.cut(), {}})
		return strings.Count(out.String(), `msg="late rows begin"`), strings.Count(out.String(), `msg="dead letters begin"`)
	}
	if late, dead := commit(0, "a a:emit=x"); late+dead > 0 {
		t.Errorf("all is well, and it says\n%s", &out)
	}
	if late, dead := commit(0, "a a:emit=late1", "b b:emit=late2", "c c:reject=why", "d d:reject=why"); late != 1 || dead != 1 {
		t.Errorf("two late and two dead records: %d and %d lines, want one of each in\n%s", late, dead, &out)
	}
	for _, want := range []string{"partition=p/0", "position=2", "behind=3m0s", "position=4", `error=why`, "event_time="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	for i := range 30 { // they go on for half an hour
		if late, dead := commit(time.Duration(i)*time.Minute, "a a:emit=late", "b b:reject=why"); late+dead > 0 {
			t.Fatalf("they have begun before, and it says\n%s", &out)
		}
	}
	if late, dead := commit(31*time.Minute, "a a:reject=other"); late != 0 || dead != 1 {
		t.Errorf("another kind of dead letter: %d and %d lines, want 0 and 1", late, dead)
	}
	if late, dead := commit(41*time.Minute, "a a:emit=late", "b b:reject=why", "c c:reject=other"); late != 1 || dead != 1 {
		t.Errorf("12 minutes after they stopped: %d and %d lines, want 1 and 1 in\n%s", late, dead, &out)
	}
}
