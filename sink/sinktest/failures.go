package sinktest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// said keeps a contract's test from telling the same again and again: eighty calls that fail for one reason are one failure.
type said struct {
	t     *testing.T
	bench *bench
	rule  string

	mu   sync.Mutex
	told map[string]int
	more int
}

const sameAtMost = 3 // failures of one kind that have no error of a Store in them

func newSaid(t *testing.T, b *bench, rule string) *said {
	d := &said{t: t, bench: b, rule: rule, told: map[string]int{}}
	t.Cleanup(func() {
		if d.more > 0 {
			t.Logf("and %d more failures like these", d.more)
		}
	})
	return d
}

var (
	wordAtFirst = regexp.MustCompile(`^[A-Za-z]+`)
	varies      = regexp.MustCompile(`"(\\.|[^"\\])*"|\b\d{1,2}\b|\d{4,}|[0-9A-Za-z_-]{24,}`) // keys, counts, ports and IDs; a status stays
)

// again reports whether a failure like this was told. Of an error that another rule has told of it leaves the beginning alone.
func (d *said) again(format string, args []any) bool {
	kind, most := format, sameAtMost
	for i, a := range args {
		switch v := a.(type) {
		case error:
			root := varies.ReplaceAllString(strings.ReplaceAll(v.Error(), d.bench.run, ""), "#")
			kind, most = kind+"\n"+root, 1
			if rule := d.bench.first(root, d.rule); rule != d.rule && len(root) > 80 {
				args[i] = fmt.Errorf("%.80s... (in full at %s)", v.Error(), rule)
			}
		case string:
			kind += "\n" + wordAtFirst.FindString(v)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.told[kind]++; d.told[kind] > most {
		d.more++
		return true
	}
	return false
}

// first is the rule that has told of an error first.
func (b *bench) first(root, rule string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told[root] == "" {
		b.told[root] = rule
	}
	return b.told[root]
}

// Errorf tells a failure, unless one like it was told.
func (s *suite) Errorf(format string, args ...any) {
	s.Helper()
	if !s.said.again(format, args) {
		s.T.Errorf(format, args...)
	}
}

// Fatalf is an Errorf that ends the test.
func (s *suite) Fatalf(format string, args ...any) {
	s.Helper()
	s.Errorf(format, args...)
	s.FailNow()
}

const few = 5

// diff says what makes two lists differ.
func diff(got, want []string) string {
	text := fmt.Sprintf("got %d, want %d", len(got), len(want))
	missing, more := without(want, got), without(got, want)
	if len(missing)+len(more) > 0 {
		return text + some("missing", missing) + some("not wanted", more)
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("%s, in another order or more than once: from number %d on %q, want %q", text, i, got[i:min(i+few, len(got))], want[i:min(i+few, len(want))])
}

func some(what string, keys []string) string {
	text := ""
	if len(keys) > 0 {
		text = fmt.Sprintf("; %s: %q", what, keys[:min(few, len(keys))])
	}
	if len(keys) > few {
		text += fmt.Sprintf(" and %d more", len(keys)-few)
	}
	return text
}

func without(all, these []string) []string {
	in := map[string]bool{}
	for _, s := range these {
		in[s] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return in[s] })
}

// unlike says where two texts begin to differ.
func unlike(got, want []byte) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("got %d bytes, want %d, and they differ from number %d on: %.20q, want %.20q", len(got), len(want), i, got[i:], want[i:])
}
