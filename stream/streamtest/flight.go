package streamtest

import (
	"cmp"
	"maps"
	"slices"
	"testing"

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

// flight is the records that are not finished, and the book of those that are.
type flight[In, Out any] struct {
	t       testing.TB
	raw     bool              // In is record.Record: stages may set event times
	nowhere *record.Partition // of origins that are not in flight

	live  map[record.Origin]*live[In, Out]
	next  uint32 // the last origin
	order int    // of the last row
	book  book
}

func newFlight[In, Out any](t testing.TB, nowhere *record.Partition) *flight[In, Out] {
	f := &flight[In, Out]{t: t, nowhere: nowhere, live: map[record.Origin]*live[In, Out]{}, book: newBook()}
	_, f.raw = any(*new(In)).(record.Record)
	return f
}

// admit makes events of records, each with an origin that was never used before and bytes of its own.
func (f *flight[In, Out]) admit(batch []*fed[In]) []record.Event[In] {
	in := make([]record.Event[In], len(batch))
	for i, r := range batch {
		f.next++
		o := record.NewOrigin(f.next)
		in[i] = r.event
		in[i].Origin = o
		if rec, ok := any(&in[i].Value).(*record.Record); ok {
			*rec = rec.Clone()
			rec.Partition, rec.Position = r.ref.Partition, r.ref.Position
		}
		v := &live[In, Out]{rec: r, origin: o}
		v.group = &group[In, Out]{members: []*live[In, Out]{v}}
		f.live[o] = v
	}
	return in
}

func (f *flight[In, Out]) lookup(o record.Origin) record.Ref {
	if v, ok := f.live[o]; ok {
		return v.rec.ref
	}
	return record.Ref{Partition: f.nowhere}
}

// spoil overwrites what a stage must not use after its call: the slice, and the bytes of records that are pending. Those of
// finished records stay as they are, since their rows may share them: the output encodes rows before the bytes go.
func (f *flight[In, Out]) spoil(in []record.Event[In]) {
	if recs, ok := any(in).([]record.Event[record.Record]); ok {
		for i := range recs {
			if _, pending := f.live[recs[i].Origin]; pending {
				scribble(&recs[i].Value)
			}
		}
	}
	clear(in)
}

func scribble(r *record.Record) {
	parts := [][]byte{r.Key, r.Value}
	for _, h := range r.Headers {
		parts = append(parts, h.Value)
	}
	for _, b := range parts {
		for i := range b {
			b[i] = 0xDB
		}
	}
}

// settle takes what the processor said in one call, checks it, and finishes the records that are complete. It returns their
// rows.
func (f *flight[In, Out]) settle(call string, em *stage.Emitter[Out]) []Out {
	f.t.Helper()
	events, ends := em.Take()
	events = stage.Accepted(events, ends)
	for _, e := range ends {
		f.apply(call, e)
	}
	for _, e := range events {
		v, ok := f.live[e.Origin]
		if !ok {
			f.t.Errorf("%s emitted an event of origin %v, which is finished or was never given", call, e.Origin)
			continue
		}
		if !f.raw && !e.Time.Equal(v.rec.event.Time) {
			f.t.Errorf("%s moved the time of %v from %v to %v", call, v.rec.ref.Position, v.rec.event.Time, e.Time)
		}
		f.order++
		v.rows = append(v.rows, row[Out]{f.order, e.Value})
	}
	return f.finish()
}

func (f *flight[In, Out]) apply(call string, e stage.Outcome) {
	f.t.Helper()
	v, ok := f.live[e.Origin]
	if !ok {
		f.t.Errorf("%s spoke of origin %v (kind %d), which is finished or was never given", call, e.Origin, e.Kind)
		return
	}
	switch e.Kind {
	case stage.Pending:
		v.holds++
		v.rec.pending = true
	case stage.Released:
		if v.holds--; v.holds < 0 {
			f.t.Errorf("%s released %v, which was not held", call, v.rec.ref.Position)
			v.holds = 0
		}
	case stage.MergedInto:
		into, ok := f.live[e.Into]
		if !ok {
			f.t.Errorf("%s merged %v into an origin that is finished or was never given", call, v.rec.ref.Position)
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
			f.t.Errorf("%s rejected %v with a nil error", call, v.rec.ref.Position)
		}
		v.err = cmp.Or(v.err, e.Err)
	}
}

// finish ends the records whose whole group is held by nobody.
func (f *flight[In, Out]) finish() []Out {
	var rows []row[Out]
	for _, o := range f.origins() {
		v := f.live[o]
		if slices.ContainsFunc(v.group.members, func(m *live[In, Out]) bool { return m.holds > 0 }) {
			v.rec.pending = true // one that is merged into a pending one comes back with it
			continue
		}
		defer delete(f.live, o)
		v.rec.pending = false
		fate := record.Filtered
		switch {
		case v.err != nil:
			fate = record.Dead
			f.book.rejected = append(f.book.rejected, v.err)
		case len(v.rows) > 0:
			fate = record.Written
			rows = append(rows, v.rows...)
		case v.merged:
			fate = record.Merged
		case v.dropped:
			fate = v.fate
			f.book.reasons[v.why]++
		}
		f.book.fates[fate]++
	}
	slices.SortFunc(rows, func(a, b row[Out]) int { return cmp.Compare(a.order, b.order) })
	var out []Out
	for _, r := range rows {
		out = append(out, r.value)
	}
	return out
}

// origins are the live ones in the order of their records.
func (f *flight[In, Out]) origins() []record.Origin {
	return slices.SortedFunc(maps.Keys(f.live), func(a, b record.Origin) int {
		return f.live[a].rec.ref.Position.Compare(f.live[b].rec.ref.Position)
	})
}
