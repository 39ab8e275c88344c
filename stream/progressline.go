package stream

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"
)

// isTerminal reports whether t is a device, not a file or a pipe: lines that replace each other are for people only.
func isTerminal(t Terminal) bool {
	f, ok := t.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// showProgress replaces the line on the terminal.
func (o *observer[T]) showProgress(s Status) {
	if !o.terminal {
		return
	}
	line := progressLine(s)
	n := utf8.RuneCountInString(line)
	pad := strings.Repeat(" ", max(0, o.shown-n))
	o.shown = n
	fmt.Fprintf(o.opts.Progress, "\r%s%s", line, pad)
}

// endProgress leaves the last line on the terminal.
func (o *observer[T]) endProgress() {
	if o.terminal && o.shown > 0 {
		fmt.Fprintln(o.opts.Progress)
	}
}

// progressLine fits 80 columns.
func progressLine(s Status) string {
	parts := []string{fmt.Sprintf("%s read", grouped(s.Read)), fmt.Sprintf("%s/s", grouped(int64(s.Rate)))}
	if s.Lag.Records > 0 {
		parts = append(parts, grouped(s.Lag.Records)+" behind")
	}
	if s.Pending > 0 {
		parts = append(parts, grouped(s.Pending)+" pending")
	}
	parts = append(parts, fmt.Sprintf("%d commits", s.Commits))
	if !s.EarliestHour.IsZero() {
		parts = append(parts, "open from "+s.EarliestHour.UTC().Format("01-02 15:04"))
	}
	if s.Delay > 0 && s.Delay < 100*24*time.Hour {
		parts = append(parts, "delay "+s.Delay.Round(time.Second).String())
	}
	if s.Stalled != nil {
		parts = append(parts, "STALLED")
	}
	return strings.Join(parts, " · ")
}

// grouped writes n with a comma for every thousand.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
