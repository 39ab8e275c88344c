package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/record"
)

// view is what the page shows. All of it is text, which the template escapes.
type view struct {
	Title  string
	At     string
	Asked  string // name of the job that was asked for and is not there
	Jobs   []link
	Job    *jobView // nil if there is none
	Stores []storeView
}

// link leads to a job.
type link struct {
	Name, Query, State string
	Class              class
	Here               bool
}

// fact is a value with its name.
type fact struct {
	Name, Value, More string
	Class             class
}

type storeView struct{ Name, Calls, Failed, Read, Written string }

type jobView struct {
	Name, Instance, State string
	Class                 class
	Alarms                []alarm
	Facts                 []fact

	Known bool // the ledger is, so what follows
	Strip strip
	Table table

	Fates    []fateView
	AddUp    string
	AddsUp   bool
	Reasons  []reasonView
	Files    []fileView
	Commits  []commitView
	Warnings []warningView
}

// strip is the hours, and what the first of them wait for.
type strip struct {
	Hours []hourView
	More  string
	Waits []waitView
	Old   string // how old these are, if that is not now
}

// table is a page of partitions.
type table struct {
	Rows               []partitionView
	Sums               string
	Page, Pages        int
	Newer, Older, Last string // queries of other pages
}

type hourView struct {
	Label, State, More string
	Class              string
}

type waitView struct {
	Hour    string
	Reasons []string
	More    string
}

type partitionView struct{ Name, Lane, Holder, Watermark, Newest, Delay, Pending, Read string }
type fateView struct{ Name, Process, Job string }
type reasonView struct{ Fate, Why, Count string }
type fileView struct{ Flow, Kind, Files, Rows, Bytes string }
type commitView struct{ At, Entry, Reason, Records, Written, Files, Bytes, Took, Steps string }
type warningView struct {
	At, Level, Text string
	Class           class
}

// view makes the page of a job, of the first one if name is empty. found is false if there is none of that name.
func (m *Monitor) view(name string, page int) (v *view, found bool) {
	now := m.opts.Now()
	jobs := m.set.Jobs()
	v = &view{Title: "onceflow", At: now.UTC().Format("2006-01-02 15:04:05 UTC")}
	var here *metrics.Job
	for _, j := range jobs {
		if here == nil && (name == "" || j.Name() == name) {
			here = j
		}
		word, c := m.healthOf(j).word()
		v.Jobs = append(v.Jobs, link{j.Name(), query(j, 1), word, c, here == j})
	}
	for _, s := range m.set.Stores() {
		v.Stores = append(v.Stores, storeView{s.Store, count(s.Calls), count(s.Failed), size(s.Read), size(s.Written)})
	}
	if here != nil {
		v.Job = m.job(here, page, now)
		v.Title = v.Job.Name + ": " + v.Job.State
	} else {
		v.Asked = name
	}
	return v, here != nil || name == ""
}

func query(j *metrics.Job, page int) string {
	q := url.Values{"job": {j.Name()}}
	if page > 1 {
		q.Set("page", fmt.Sprint(page))
	}
	return "?" + q.Encode()
}

func (m *Monitor) job(j *metrics.Job, page int, now time.Time) *jobView {
	h := m.healthOf(j)
	v := &jobView{Name: j.Name(), Instance: h.Instance, Alarms: h.alarms(now)}
	v.State, v.Class = h.word()
	var state *sink.JobState
	var pending int64
	if out := j.Output(); out != nil {
		state = out.State()
	}
	if h.known {
		v.Facts = facts(h, state, now)
	}
	if v.Known = state != nil; v.Known {
		all, sums := metrics.Behind(state, len(state.Partitions))
		pending = sums.Pending
		m.partitions(&v.Table, j, all, page, now)
		v.Table.Sums = fmt.Sprintf("%s open, %s whose event time is not known, %s ended, %s retired; %s records pending",
			count(int64(sums.Open)), count(int64(sums.Unknown)), count(int64(sums.Ended)), count(int64(sums.Retired)), count(sums.Pending))
		v.Strip.hours(state, &h.Status, now)
		m.waiting(&v.Strip, j, state, now)
	}
	v.fates(h, state, pending)
	for _, c := range slices.Backward(j.Commits()) {
		v.Commits = append(v.Commits, commitOf(c, now))
	}
	for _, l := range slices.Backward(j.Warnings()) {
		c := warning
		if l.Level.String() == "ERROR" {
			c = bad
		}
		v.Warnings = append(v.Warnings, warningView{clock(l.Time, now), strings.ToLower(l.Level.String()), l.Text, c})
	}
	return v
}

// facts are the numbers on top.
func facts(h *health, state *sink.JobState, now time.Time) []fact {
	delay, lag := "unknown", "unknown"
	if h.Delay >= 0 {
		delay = span(h.Delay)
	}
	if h.Lag.Records >= 0 {
		lag = count(h.Lag.Records)
	}
	list := []fact{
		{Name: "Committed up to", Value: delay + " ago", More: "event time, of the lane that is farthest behind"},
		{Name: "Reads", Value: count(int64(h.Rate)) + " records/s", More: count(h.Read) + " since it began"},
		{Name: "Behind its logs", Value: lag, More: "records; " + count(h.Uncommitted) + " of them are read and not committed"},
		{Name: "Stages hold", Value: count(h.Pending), More: "records, since " + clock(h.OldestPending, now)},
		{Name: "Memory", Value: size(h.Bytes), More: "of " + size(h.Memory)},
		{Name: "Lanes", Value: count(h.Lanes), More: "of this process"},
		{Name: "Last commit", Value: clock(h.LastCommit, now), More: fmt.Sprintf("%s commits, %s fenced", count(h.Commits), count(h.Fenced))},
		{Name: "Sealed up to", Value: clock(h.Sealed, now), More: "closed up to " + clock(h.Closed, now)},
	}
	if h.Delay < 0 {
		list[0].Value = delay
	}
	if h.OldestPending.IsZero() {
		list[3].More = "records"
	}
	if h.Lag.Retention != 0 {
		list = append(list, fact{Name: "Retention left", Value: span(h.Lag.Retention), More: "until the log drops what a restart would read"})
	}
	if state != nil {
		list = append(list, fact{Name: "Ledger", Value: "entry " + fmt.Sprint(state.Entry), More: count(int64(len(state.Unpublished))) + " commits not marked as published"})
	}
	for i := range list {
		list[i].Class = good
	}
	return list
}

// Bounds of the strip of hours.
const (
	sealedHours = 6   // that are shown before the first other one
	mostHours   = 100 // that are shown
	mostWaits   = 3   // hours whose reasons are shown
	mostReasons = 5   // of an hour
)

// hours makes the strip: the last hours that are sealed, those that are closed and not sealed, and those that are open.
func (v *strip) hours(s *sink.JobState, st *stream.Status, now time.Time) {
	if s.Hour <= 0 {
		return
	}
	open := map[time.Time]sink.OpenHour{}
	end := cmpLater(s.Closed, s.NextHour)
	for _, h := range s.OpenHours {
		open[h.Start.UTC()] = h
		end = cmpLater(end, h.Start.Add(s.Hour))
	}
	from := cmp.Or(s.NextHour, end)
	if !s.Closed.IsZero() {
		from = s.Closed
	}
	if !s.Sealed.IsZero() {
		from = s.Sealed.Add(-sealedHours * s.Hour)
	}
	if from.IsZero() {
		return
	}
	all := int64(end.Sub(from) / s.Hour)
	for i := range min(all, mostHours) {
		start := from.Add(time.Duration(i) * s.Hour).UTC()
		v.Hours = append(v.Hours, hourOf(start, s, st, open, now))
	}
	if all > mostHours {
		v.More = "and " + count(all-mostHours) + " more"
	}
}

func cmpLater(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func hourOf(start time.Time, s *sink.JobState, st *stream.Status, open map[time.Time]sink.OpenHour, now time.Time) hourView {
	h := hourView{Label: start.Format("15:04")}
	if start.Hour() == 0 {
		h.Label = start.Format("02 Jan")
	}
	end := start.Add(s.Hour)
	sum, rows := open[start]
	switch {
	case !end.After(s.Sealed):
		h.State, h.Class = "sealed", "sealed"
	case !end.After(s.Closed) && st.Merge != nil && st.Merge.Hour.Equal(start):
		h.State, h.Class = fmt.Sprintf("merging %d/%d", st.Merge.Done, st.Merge.Units), "closing"
	case !end.After(s.Closed):
		h.State, h.Class = "closed", "closing"
	case !rows:
		h.State, h.Class = "empty", "empty"
	case end.After(now):
		h.State, h.Class = "filling", "filling"
	default:
		h.State, h.Class = "waiting", "waiting"
	}
	h.More = start.Format("2006-01-02 15:04") + " UTC, " + h.State
	if rows {
		h.More += fmt.Sprintf(": %s rows in %s files, %s", count(sum.Rows), count(sum.Files), size(sum.Bytes))
	}
	return h
}

// waits are reasons, as they were at a time.
type waits struct {
	at   time.Time
	list []waitView
}

// waiting says what the first hours that are not sealed wait for. While the process reads or writes its ledger that is not
// known; then it is what was known before.
func (m *Monitor) waiting(v *strip, j *metrics.Job, s *sink.JobState, now time.Time) {
	var hours []time.Time
	if s.Sealed.Before(s.Closed) && !s.Sealed.IsZero() {
		hours = append(hours, s.Sealed)
	}
	if s.NextHour.IsZero() {
		hours = nil
	}
	for i := 0; len(hours) < mostWaits && !s.NextHour.IsZero(); i++ {
		hours = append(hours, s.NextHour.Add(time.Duration(i)*s.Hour))
	}
	w := waits{at: now}
	for _, hour := range hours {
		list, known := j.Output().Explain(hour)
		if !known {
			m.mu.Lock()
			w = m.waits[j]
			m.mu.Unlock()
			break
		}
		w.list = append(w.list, waitOf(hour, list))
	}
	if w.at.Equal(now) {
		m.mu.Lock()
		m.waits[j] = w
		m.mu.Unlock()
	} else if !w.at.IsZero() {
		v.Old = span(now.Sub(w.at)) + " ago"
	}
	v.Waits = w.list
}

func waitOf(hour time.Time, list []sink.HourBlocker) waitView {
	w := waitView{Hour: hour.UTC().Format("2006-01-02 15:04")}
	// Those of whole kinds first: there may be thousands of partitions.
	slices.SortStableFunc(list, func(a, b sink.HourBlocker) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) })
	for i := range min(len(list), mostReasons) {
		w.Reasons = append(w.Reasons, short(list[i].String()))
	}
	if n := len(list) - mostReasons; n > 0 {
		w.More = "and " + count(int64(n)) + " more reasons"
	}
	if len(list) == 0 {
		w.Reasons = []string{"nothing: the next round of upkeep closes or seals it"}
	}
	return w
}

func rank(k sink.BlockerKind) int {
	if k == sink.BlockedByPartition || k == sink.BlockedByEntry {
		return 1
	}
	return 0
}

// partitions puts one page of them into v.
func (m *Monitor) partitions(v *table, j *metrics.Job, all []metrics.Partition, page int, now time.Time) {
	per := m.opts.Partitions
	v.Pages = max(1, (len(all)+per-1)/per)
	v.Page = min(max(page, 1), v.Pages)
	if v.Page > 1 {
		v.Newer = query(j, v.Page-1)
	}
	if v.Page < v.Pages {
		v.Older, v.Last = query(j, v.Page+1), query(j, v.Pages)
	}
	for _, p := range all[(v.Page-1)*per : min(len(all), v.Page*per)] {
		st := &p.State
		w := partitionView{
			Name: short(p.Partition.String()), Lane: short(st.Lane), Holder: cmp.Or(st.Holder, "unknown"),
			Watermark: clock(st.Progress.Watermark, now), Newest: clock(st.Progress.MaxEventTime, now), Delay: "unknown",
			Pending: count(int64(st.Pending)), Read: count(st.Read),
		}
		if t := st.Progress.MaxEventTime; !t.IsZero() {
			w.Delay = span(now.Sub(t).Round(time.Second))
		}
		v.Rows = append(v.Rows, w)
	}
}

// fates shows what became of records, and whether it adds up.
func (v *jobView) fates(h *health, state *sink.JobState, pending int64) {
	for f, n := range h.Counts {
		w := fateView{Name: record.Fate(f).String(), Process: count(n), Job: "unknown"} //nolint:gosec // a fate is small
		if state != nil {
			w.Job = count(state.Counts[f])
		}
		v.Fates = append(v.Fates, w)
	}
	if state != nil {
		v.Fates = append(v.Fates, fateView{"pending", count(h.Pending), count(pending)})
		v.AddsUp = state.Read == state.Counts.Sum()+pending
		v.AddUp = fmt.Sprintf("%s records of the whole job were read; the fates and what is pending make %s", count(state.Read), count(state.Counts.Sum()+pending))
	}
	for _, why := range slices.SortedFunc(maps.Keys(h.Reasons), func(a, b stream.Reason) int {
		return cmp.Or(cmp.Compare(h.Reasons[b], h.Reasons[a]), cmp.Compare(a.Fate, b.Fate), cmp.Compare(a.Why, b.Why))
	}) {
		v.Reasons = append(v.Reasons, reasonView{why.Fate.String(), why.Why, count(h.Reasons[why])})
	}
	for flow, n := range h.LateRows {
		v.Reasons = append(v.Reasons, reasonView{"late rows", "flow " + flow, count(n)})
	}
	for _, k := range slices.SortedFunc(maps.Keys(h.Files), func(a, b driver.FileKind) int {
		return cmp.Or(cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Kind, b.Kind))
	}) {
		f := h.Files[k]
		v.Files = append(v.Files, fileView{k.Flow, k.Kind, count(f.Files), count(f.Rows), size(f.Bytes)})
	}
}

func commitOf(c *stream.CommitStatus, now time.Time) commitView {
	var files, bytes int64
	for _, f := range c.Files {
		files, bytes = files+f.Files, bytes+f.Bytes
	}
	entry := fmt.Sprint(c.Entry)
	if c.Entry == 0 {
		entry = "none"
	}
	return commitView{
		At: clock(c.Ended, now), Entry: entry, Reason: c.Reason, Records: count(c.Read), Written: count(c.Counts[record.Written]),
		Files: count(files), Bytes: size(bytes), Took: span(c.Ended.Sub(c.Began)),
		Steps: fmt.Sprintf("%s, %s, %s", span(c.Staging), span(c.Appending), span(c.Publishing)),
	}
}

// jump says of which partition the clock is far ahead.
func jump(h *health, now time.Time) string {
	return short(fmt.Sprintf("%s partitions wait for records that confirm a jump of event time. Partition %s has seen events up to %s, and has some at %s",
		count(h.Jumps), h.Jump.Partition, clock(h.Jump.MaxEventTime, now), clock(h.Jump.Jump.Newest, now)))
}
