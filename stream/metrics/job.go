package metrics

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
)

// Job is what a process knows of a job that it runs. It is safe for concurrent use.
type Job struct {
	set  *Set
	name string
	out  Output

	mu       sync.Mutex // a leaf
	status   stream.Status
	at       time.Time // of status; zero: there is none yet
	commits  []*stream.CommitStatus
	ended    bool
	err      error
	warnings []Line
	warned   [2]int64 // warnings, errors
}

// Most is how many commits and how many warnings a Job keeps.
const Most = 20

// Name is that of the job.
func (j *Job) Name() string { return j.name }

// Observe is for stream.Options.Observe.
func (j *Job) Observe(st stream.Status) {
	j.mu.Lock()
	if st.Commit != nil && (len(j.commits) == 0 || j.commits[len(j.commits)-1] != st.Commit) {
		j.commits = slices.Clone(append(j.commits, st.Commit)[max(0, len(j.commits)+1-Most):])
	}
	j.status, j.at = st, j.set.opts.Now()
	j.mu.Unlock()

	j.set.mu.Lock()
	watchers := j.set.watchers
	j.set.mu.Unlock()
	for _, f := range watchers {
		f(j, st)
	}
}

// End notes that the job has ended, with what stream.Run returned, and returns err.
func (j *Job) End(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended, j.err = true, err
	return err
}

// Ended reports whether the job has ended, and with what.
func (j *Job) Ended() (ended bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended, j.err
}

// Status returns the last Status, and when it came by the machine's clock; zero if none has come.
func (j *Job) Status() (stream.Status, time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.status, j.at
}

// Commits returns the last commits, the newest last. Do not change it.
func (j *Job) Commits() []*stream.CommitStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commits
}

// Output is what the job was added with; it may be nil.
func (j *Job) Output() Output { return j.out }

// Line is a line of a log.
type Line struct {
	Time  time.Time
	Level slog.Level
	Text  string // the message and its attributes, at most 1,000 bytes
}

// Warnings returns the last lines of Logger that were warnings or errors, the newest last. Do not change it.
func (j *Job) Warnings() []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.warnings
}

// Logger returns a logger that gives all to l, and counts and keeps its warnings and errors. nil discards all else.
func (j *Job) Logger(l *slog.Logger) *slog.Logger {
	next := slog.DiscardHandler
	if l != nil {
		next = l.Handler()
	}
	return slog.New(&keeper{job: j, next: next})
}

// keeper is a slog.Handler that keeps warnings.
type keeper struct {
	job   *Job
	next  slog.Handler
	group string // with a dot behind it
	attrs string // of With, as text
}

func (k *keeper) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || k.next.Enabled(ctx, level)
}

func (k *keeper) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var b strings.Builder
		b.WriteString(r.Message)
		b.WriteString(k.attrs)
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintf(&b, " %s%s=%v", k.group, a.Key, a.Value.Resolve())
			return b.Len() < mostLine
		})
		k.job.warn(Line{Time: r.Time, Level: r.Level, Text: b.String()})
	}
	if !k.next.Enabled(ctx, r.Level) {
		return nil
	}
	return k.next.Handle(ctx, r)
}

func (k *keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *k
	c.next = k.next.WithAttrs(attrs)
	for _, a := range attrs {
		c.attrs += fmt.Sprintf(" %s%s=%v", k.group, a.Key, a.Value.Resolve())
	}
	return &c
}

func (k *keeper) WithGroup(name string) slog.Handler {
	c := *k
	c.next = k.next.WithGroup(name)
	if name != "" {
		c.group += name + "."
	}
	return &c
}

// mostLine is how long a Line may be, in bytes.
const mostLine = 1000

func (j *Job) warn(l Line) {
	l.Text = strings.ToValidUTF8(l.Text[:min(len(l.Text), mostLine)], "?")
	j.mu.Lock()
	defer j.mu.Unlock()
	if l.Level >= slog.LevelError {
		j.warned[1]++
	} else {
		j.warned[0]++
	}
	j.warnings = slices.Clone(append(j.warnings, l)[max(0, len(j.warnings)+1-Most):])
}

// reading is what the families of a job read.
type reading struct {
	stream.Status
	at       time.Time
	now      time.Time
	ended    bool
	failed   bool
	warned   [2]int64
	state    *sink.JobState // nil if it is not known
	sums     Partitions
	behindBy []Partition
}

// reading returns nil if the job has told nothing yet.
func (j *Job) reading() *reading {
	j.mu.Lock()
	r := &reading{Status: j.status, at: j.at, ended: j.ended, failed: j.err != nil, warned: j.warned}
	j.mu.Unlock()
	if r.at.IsZero() && !r.ended {
		return nil
	}
	r.now = j.set.opts.Now()
	if j.out != nil {
		r.state = j.out.State()
	}
	if r.state != nil {
		r.behindBy, r.sums = Behind(r.state, j.set.opts.Partitions)
	}
	return r
}

// Partition is one that limits the clocks of a job.
type Partition struct {
	Partition record.Partition
	State     sink.PartitionState
}

// Partitions are the sums of those of a job.
type Partitions struct {
	Open    int // of which more may come, and whose event time is known
	Unknown int // of which more may come, and whose event time is not known
	Ended   int // and hold nothing
	Retired int
	Pending int64 // records
}

// Behind returns the most partitions that are farthest behind in event time, the farthest first, and the sums of all. Those
// whose event time is not known come first. Ended and retired ones are left out. A negative most is 0.
func Behind(s *sink.JobState, most int) (list []Partition, sums Partitions) {
	type place struct {
		watermark, newest time.Time
		partition         record.Partition
	}
	places := make([]place, 0, len(s.Partitions))
	for p, st := range s.Partitions {
		sums.Pending += int64(st.Pending)
		switch {
		case st.Retired:
			sums.Retired++
			continue
		case st.Progress.Ended && st.Pending == 0:
			sums.Ended++
			continue
		case st.Progress.MaxEventTime.IsZero():
			sums.Unknown++
		default:
			sums.Open++
		}
		places = append(places, place{st.Progress.Watermark, st.Progress.MaxEventTime, p})
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(a.watermark.Compare(b.watermark), a.newest.Compare(b.newest), a.partition.Compare(b.partition))
	})
	for _, p := range places[:min(len(places), max(most, 0))] {
		list = append(list, Partition{p.partition, s.Partitions[p.partition]})
	}
	return list, sums
}
