package stream

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

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

// columns is how many a terminal has at least.
const columns = 80

// progressLine fits a terminal: of a job with much to say the commits, the open hour and the delay are left out.
func progressLine(s Status) string {
	var parts []string
	var spare []int // places of parts that may be left out, the first one first
	add := func(said, need bool, format string, args ...any) {
		if !said {
			return
		}
		if !need {
			spare = append(spare, len(parts))
		}
		parts = append(parts, fmt.Sprintf(format, args...))
	}
	const must, may = true, false
	add(true, must, "%s read", grouped(s.Read))
	add(true, must, "%s/s", grouped(int64(s.Rate)))
	add(s.Lag.Records > 0, must, "%s behind", grouped(s.Lag.Records))
	add(s.Pending > 0, must, "%s pending", grouped(s.Pending))
	add(s.Counts[Late] > 0, must, "%s late", grouped(s.Counts[Late]))
	add(s.Counts[Duplicate] > 0, must, "%s duplicates", grouped(s.Counts[Duplicate]))
	add(s.Counts[Dead] > 0, must, "%s dead", grouped(s.Counts[Dead]))
	add(true, may, "%d commits", s.Commits)
	add(!s.EarliestHour.IsZero(), may, "open from %s", s.EarliestHour.UTC().Format("01-02 15:04"))
	add(s.Delay > 0 && s.Delay < 100*24*time.Hour, may, "delay %v", s.Delay.Round(time.Second))
	add(s.Fruitless != nil, must, "NO ROWS")
	add(s.Stalled != nil, must, "STALLED")
	line := strings.Join(parts, " · ")
	for i := 0; i < len(spare) && utf8.RuneCountInString(line) > columns; i++ {
		parts[spare[i]] = ""
		line = strings.Join(slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return p == "" }), " · ")
	}
	return line
}

// grouped writes n with a comma for every thousand.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
