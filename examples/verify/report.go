package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// report collects violations and prints the first ones. It is safe for concurrent use.
type report struct {
	out  io.Writer
	most int

	mu         sync.Mutex
	violations int
	noted      bool

	unpublished, unpublishedRows int64 // files that are committed and not in place
}

// bad reports a violation of what, an object or a part of one.
func (r *report) bad(what, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations++
	if r.violations <= r.most {
		fmt.Fprintf(r.out, "VIOLATION %s: %s\n", what, fmt.Sprintf(format, args...))
	}
}

// note tells once what could not be found out.
func (r *report) note(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.noted {
		fmt.Fprintf(r.out, "%s: %v\n", what, err)
	}
	r.noted = true
}

// expect reports a violation unless ok.
func (r *report) expect(ok bool, what, format string, args ...any) bool {
	if !ok {
		r.bad(what, format, args...)
	}
	return ok
}

// line prints what was checked.
func (r *report) line(name, format string, args ...any) {
	fmt.Fprintf(r.out, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
}

// thousands writes n with separators, for people.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
