package engines

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink/escape"
)

// row is one row as a reader gave it, with numbers as json.Number.
type row map[string]any

// change is a way in which a value may come out other than it went in. docs/reading.md has a letter for each.
type change struct {
	letter string
	of     string // fields, with spaces between them
	is     func(want, got any) bool
}

var changes = []change{
	{"a", "text note", func(want, got any) bool { return want == "" && got == nil }},
	{"b", "text note", func(want, got any) bool { return want == nil && got == "" }},
	{"c", "text note", func(want, got any) bool { return isWord(want) && got == nil }},
	{"d", "n", func(want, got any) bool { return wide(want.(int64)) && number(got) == float64(want.(int64)) }},
	{"e", "price", func(want, got any) bool { return near(want.(float64), number(got)) }},
	{"f", "text note", func(want, got any) bool { return isText(want, got) && backslashed(want.(string)) == got }},
	{"g", "text note", func(want, got any) bool {
		return isText(want, got) && strings.ReplaceAll(want.(string), "\r\n", "\n") == got
	}},
	{"h", "site", func(want, got any) bool { return isText(want, got) && string(escape.Append(nil, want.(string))) == got }},
}

func isWord(v any) bool {
	return slices.Contains([]any{"NULL", "null", "NA", "nan", "None", `\N`}, v)
}
func wide(n int64) bool { return n > 1<<53 || n < -1<<53 }
func near(want, got float64) bool {
	return want == got || math.Abs(want-got) <= max(1e-14*math.Abs(want), 1e-307)
}
func isText(want, got any) bool {
	_, is := want.(string)
	_, too := got.(string)
	return is && too
}
func backslashed(s string) string {
	return strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(s)
}

func number(v any) float64 {
	if v == nil {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// missing is the value of a column that is not there.
type absent struct{}

var missing = absent{}

// compare says how what a reader gave differs from what went in: "" if some rows are missing or there twice, with the reason, else
// "yes" and the letters of the changes, sorted. folders says that the reader has the columns of the folders.
func compare(want map[int64]*event, got []row, folders bool) (verdict string, reason error) {
	seen := map[int64]bool{}
	letters := map[string]bool{}
	for _, r := range got {
		id, err := strconv.ParseInt(fmt.Sprint(r["id"]), 10, 64)
		if err != nil {
			return "", fmt.Errorf("a row has no ID: %v", r)
		}
		e := want[id]
		if e == nil || seen[id] {
			return "", fmt.Errorf("row %d is there twice, or should not be there", id)
		}
		seen[id] = true
		l, err := differences(e, r, folders)
		if err != nil {
			return "", fmt.Errorf("row %d: %w", id, err)
		}
		for _, l := range l {
			letters[l] = true
		}
	}
	if len(seen) != len(want) {
		return "", fmt.Errorf("%d rows, want %d", len(seen), len(want))
	}
	var all []string
	for l := range letters {
		all = append(all, l)
	}
	slices.Sort(all)
	return strings.TrimSpace("yes " + strings.Join(all, " ")), nil
}

// differences are the letters of the changes of a row. A change that has no letter is an error.
func differences(e *event, r row, folders bool) (letters []string, err error) {
	for _, f := range e.columns(folders) {
		got, ok := r[f.name]
		if !ok {
			got = missing
		}
		if same(f.name, f.want, got) {
			continue
		}
		l := ""
		for _, c := range changes {
			if slices.Contains(strings.Fields(c.of), f.name) && c.is(f.want, got) {
				l = c.letter
				break
			}
		}
		if l == "" && f.name == "place" && (got == nil && f.want == "") {
			l = "a" // it is a text like the others
		}
		if l == "" {
			return nil, fmt.Errorf("%s is %.100q, want %.100q", f.name, fmt.Sprint(got), fmt.Sprint(f.want))
		}
		letters = append(letters, l)
	}
	return letters, nil
}

// column is a column and what it should have in a row.
type column struct {
	name string
	want any
}

func (e *event) columns(folders bool) []column {
	all := []column{{"n", e.N}, {"price", e.Price}, {"ok", e.OK}, {"text", e.Text}, {"note", nil}, {"at", e.At}, {"place", e.Place}}
	if e.Note != nil {
		all[4].want = *e.Note
	}
	if !folders {
		return append(all, column{"site", missing}, column{"day", missing}, column{"hour", missing})
	}
	return append(all, column{"site", e.Place}, column{"day", e.At.Format("2006-01-02")}, column{"hour", int64(e.At.Hour())})
}

// same compares a value with what a reader gave for it. Text of a number, a bool or a time is the same as these: who reads text
// files into text columns converts them.
func same(name string, want, got any) bool {
	switch w := want.(type) {
	case nil, absent:
		return got == want
	case bool:
		return fmt.Sprint(got) == strconv.FormatBool(w)
	case int64:
		n, err := strconv.ParseInt(fmt.Sprint(got), 10, 64)
		return err == nil && n == w
	case float64:
		return number(got) == w
	case time.Time:
		t, err := instant(fmt.Sprint(got))
		return err == nil && t.Equal(w)
	case string:
		if name == "site" && w == "" {
			return got == nil // by the convention of folders
		}
		if name == "day" {
			s, ok := got.(string)
			return ok && strings.TrimSuffix(s, "T00:00:00") == w
		}
		return got == w
	}
	panic(fmt.Sprintf("%T", want))
}

// instant reads the forms that readers give times in; one without a zone is UTC.
func instant(s string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05-07"} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return t, err
}

// rowsOf reads rows from lines of JSON.
func rowsOf(text []byte) (rows []row, err error) {
	for d := json.NewDecoder(strings.NewReader(string(text))); d.More(); {
		d.UseNumber()
		var r row
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}
