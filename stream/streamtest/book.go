package streamtest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// live is a record that is not finished.
type live[In, Out any] struct {
	rec     *fed[In]
	origin  record.Origin
	group   *group[In, Out]
	holds   int
	rows    []row[Out]
	merged  bool
	dropped bool
	fate    record.Fate
	why     string
	err     error
}

// group is a set of records that finish together: one and those merged into it.
type group[In, Out any] struct{ members []*live[In, Out] }

type row[Out any] struct {
	order int
	value Out
}

// book counts finished records.
type book struct {
	fates    record.Counts
	reasons  map[string]int
	rejected []error
}

func newBook() book { return book{reasons: map[string]int{}} }

func (b book) clone() book {
	b.reasons, b.rejected = maps.Clone(b.reasons), slices.Clone(b.rejected)
	return b
}

// settle takes what the processor said in one call, checks it, and finishes the records that are complete.
func (l *Lane[In, Out]) settle(call string) []Out {
	l.t.Helper()
	events, ends := l.em.Take()
	events = stage.Accepted(events, ends)
	for _, e := range ends {
		l.apply(call, e)
	}
	for _, e := range events {
		v, ok := l.live[e.Origin]
		if !ok {
			l.t.Errorf("%s emitted an event of origin %v, which is finished or was never given", call, e.Origin)
			continue
		}
		if !l.raw && !e.Time.Equal(v.rec.event.Time) {
			l.t.Errorf("%s moved the time of %v from %v to %v", call, v.rec.ref.Position, v.rec.event.Time, e.Time)
		}
		l.order++
		v.rows = append(v.rows, row[Out]{l.order, e.Value})
	}
	return l.finish()
}

func (l *Lane[In, Out]) apply(call string, e stage.Outcome) {
	l.t.Helper()
	v, ok := l.live[e.Origin]
	if !ok {
		l.t.Errorf("%s spoke of origin %v (kind %d), which is finished or was never given", call, e.Origin, e.Kind)
		return
	}
	switch e.Kind {
	case stage.Pending:
		v.holds++
		v.rec.pending = true
	case stage.Released:
		if v.holds--; v.holds < 0 {
			l.t.Errorf("%s released %v, which was not held", call, v.rec.ref.Position)
			v.holds = 0
		}
	case stage.MergedInto:
		into, ok := l.live[e.Into]
		if !ok {
			l.t.Errorf("%s merged %v into an origin that is finished or was never given", call, v.rec.ref.Position)
			return
		}
		v.merged = true
		if v.group != into.group {
			into.group.members = append(into.group.members, v.group.members...)
			for _, m := range v.group.members {
				m.group = into.group
			}
		}
	case stage.Dropped:
		v.dropped, v.fate, v.why = true, e.Fate, e.Why
	case stage.Rejected:
		if e.Err == nil {
			l.t.Errorf("%s rejected %v with a nil error", call, v.rec.ref.Position)
		}
		v.err = cmp.Or(v.err, e.Err)
	}
}

// finish ends the records whose whole group is held by nobody.
func (l *Lane[In, Out]) finish() []Out {
	var rows []row[Out]
	for _, o := range l.origins() {
		v := l.live[o]
		if slices.ContainsFunc(v.group.members, func(m *live[In, Out]) bool { return m.holds > 0 }) {
			v.rec.pending = true // one that is merged into a pending one comes back with it
			continue
		}
		defer delete(l.live, o)
		v.rec.pending = false
		fate := record.Filtered
		switch {
		case v.err != nil:
			fate = record.Dead
			l.book.rejected = append(l.book.rejected, v.err)
		case len(v.rows) > 0:
			fate = record.Written
			rows = append(rows, v.rows...)
		case v.merged:
			fate = record.Merged
		case v.dropped:
			fate = v.fate
			l.book.reasons[v.why]++
		}
		l.book.fates[fate]++
	}
	slices.SortFunc(rows, func(a, b row[Out]) int { return cmp.Compare(a.order, b.order) })
	var out []Out
	for _, r := range rows {
		out = append(out, r.value)
	}
	l.Out = append(l.Out, out...)
	return out
}

// origins are the live ones in the order of their records.
func (l *Lane[In, Out]) origins() []record.Origin {
	return slices.SortedFunc(maps.Keys(l.live), func(a, b record.Origin) int {
		return l.live[a].rec.ref.Position.Compare(l.live[b].rec.ref.Position)
	})
}
