package quick

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
)

// line is one of the table: a flow in an hour.
type line struct {
	hour   time.Time
	flow   string
	sum    manifest.FlowSum
	sealed time.Time
}

// Report reads the output folder as any other reader would, and says what is in it.
func Report(ctx context.Context, job string, o *Options, w io.Writer, took time.Duration, interrupted bool) error {
	store, err := sinkfile.Open(o.Out, &sinkfile.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer store.Close()
	state, err := sink.Inspect(ctx, store, job, nil)
	if errors.Is(err, fs.ErrNotExist) && interrupted {
		fmt.Fprintln(w, "\nStopped before the first commit. Run it again.")
		return nil
	}
	if err != nil {
		return err
	}
	lines, err := table(ctx, store, job)
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	printTable(w, lines)
	fmt.Fprintln(w)
	err = printCounts(w, o, state)
	printNext(w, o, took, interrupted, lines)
	return err
}

// table adds up the committed transactions and marks the hours that are sealed.
func table(ctx context.Context, store sink.Store, job string) ([]*line, error) {
	now := &sink.ReadOptions{Poll: -1} // what is there now
	lines := map[string]*line{}
	at := func(hour time.Time, flow string) *line {
		key := hour.Format(time.RFC3339) + flow
		if lines[key] == nil {
			lines[key] = &line{hour: hour, flow: flow}
		}
		return lines[key]
	}
	for m, err := range sink.Committed(ctx, store, job, 0, now) {
		if err != nil {
			return nil, err
		}
		for _, f := range m.Files {
			flow := f.Flow
			if f.Kind == manifest.Late {
				flow = "late/" + flow
			}
			sum := &at(f.Hour, flow).sum
			sum.Files, sum.Rows, sum.Bytes = sum.Files+1, sum.Rows+f.Rows, sum.Bytes+f.Length
		}
	}
	for hour, err := range seal.Read(ctx, store, job, time.Time{}, now) {
		if err != nil {
			return nil, err
		}
		for flow, sum := range hour.Flows {
			l := at(hour.Hour, flow)
			if l.sealed = hour.ClosedAt; l.sum != sum {
				return nil, fmt.Errorf("the seal of %s says %+v of flow %s, the transactions %+v", hour.Hour, sum, flow, l.sum)
			}
		}
	}
	return slices.SortedFunc(maps.Values(lines), func(a, b *line) int {
		return cmp.Or(a.hour.Compare(b.hour), cmp.Compare(a.flow, b.flow))
	}), nil
}

func printTable(w io.Writer, lines []*line) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "hour\tflow\tfiles\trows\tbytes\tsealed at\t")
	for _, l := range lines {
		if l.sum.Rows == 0 { // an hour in which nothing happened is sealed, too
			continue
		}
		sealed := "-"
		if !l.sealed.IsZero() {
			sealed = l.sealed.Local().Format(time.TimeOnly)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t\n", l.hour.Format("2006-01-02 15:04"), l.flow, l.sum.Files,
			Digits(l.sum.Rows), Digits(l.sum.Bytes), sealed)
	}
	t.Flush()
	if n := emptyHours(lines); n > 0 {
		fmt.Fprintf(w, "%d hours are sealed and empty.\n", n)
	}
}

func emptyHours(lines []*line) int {
	rows := map[time.Time]int64{}
	for _, l := range lines {
		rows[l.hour] += l.sum.Rows
	}
	maps.DeleteFunc(rows, func(_ time.Time, n int64) bool { return n > 0 })
	return len(rows)
}

// printCounts shows that every record has one fate. It fails if they do not add up.
func printCounts(w io.Writer, o *Options, s *sink.JobState) error {
	fmt.Fprintf(w, "%s records read =", Digits(s.Read))
	var sum, pending int64
	for _, p := range s.Partitions {
		pending += int64(p.Pending)
	}
	for f := range stream.Fate(record.Fates) {
		fmt.Fprintf(w, " %s %s +", Digits(s.Counts[f]), f)
		sum += s.Counts[f]
	}
	fmt.Fprintf(w, " %s pending\n", Digits(pending))
	if s.Counts[stream.Dead] > 0 {
		fmt.Fprintf(w, "The dead ones are broken: %s says which line of which file, and why.\n", o.Out+"/dead")
	}
	if s.Counts[stream.Late] > 0 {
		fmt.Fprintf(w, "The late ones are of hours that had been sealed before: they are in %s. Another -out would start over.\n", o.Out+"/late")
	}
	if len(o.In) == 0 && s.Counts[stream.Filtered] > 0 {
		fmt.Fprintln(w, "The filtered ones are pings, which no flow wants.")
	}
	if sum+pending != s.Read {
		return fmt.Errorf("the counts do not add up: %d read, %d with a fate, %d pending", s.Read, sum, pending)
	}
	return nil
}

func printNext(w io.Writer, o *Options, took time.Duration, interrupted bool, lines []*line) {
	if interrupted {
		fmt.Fprintf(w, "\nStopped after %s. What was read is committed; run it again to go on.\n", took.Round(time.Millisecond))
		return
	}
	fmt.Fprintf(w, "\nDone in %s. What to try next:\n", took.Round(time.Millisecond))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "  the same command again\tnothing is left to do, and nothing is written twice\n")
	fmt.Fprintf(t, "  rm -r %s, run, kill -9, run\tkill it as often as you like: the rows end up the same\n", o.Out)
	fmt.Fprintf(t, "  go run ./examples/verify %s\tan independent checker of the folder\n", o.Out)
	sealed := slices.IndexFunc(lines, func(l *line) bool { return l.sum.Rows > 0 && !l.sealed.IsZero() })
	if show, ok := map[codec.Codec]string{codec.Gzip: "zcat %s/%s/%s/*.gz", codec.Zstd: "zstd -dc %s/%s/%s/*.zst"}[o.Codec]; sealed >= 0 && ok {
		l := lines[sealed]
		fmt.Fprintf(t, "  "+show+"\tthe rows of an hour\n", o.Out, l.flow, l.hour.Format("day=2006-01-02/hour=15"))
	}
	if len(o.In) == 0 {
		fmt.Fprintf(t, "  go run ./examples/quickstart -in FILE... -time FIELD -by FIELD\tyour own JSON lines, CSV or TSV\n")
	}
	fmt.Fprintf(t, "  less examples/minimal/main.go\tthe whole program in 25 lines; the README explains it\n")
	t.Flush()
}

// Digits groups the digits of n.
func Digits(n int64) string {
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
