package streamtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// reading is a source being read.
type reading struct {
	t     *testing.T
	ctx   context.Context
	src   driver.Source
	lanes []driver.Assignment
	got   map[record.Partition][]record.Record // new and pending ones, as they came
	warm  map[record.Partition][]record.Record
	order []delivery
	done  map[string]int // WarmDone by lane
	ended map[record.Partition]bool
	eof   bool
}

// delivery is one record as it came.
type delivery struct {
	lane string
	p    record.Partition
	pos  record.Position
	warm bool
}

// read opens a source and polls until its lanes are assigned.
func (s *sourceSuite) read(t *testing.T) *reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), suiteTime)
	t.Cleanup(cancel)
	r := &reading{
		t: t, ctx: ctx, src: s.open(t), got: map[record.Partition][]record.Record{}, warm: map[record.Partition][]record.Record{},
		done: map[string]int{}, ended: map[record.Partition]bool{},
	}
	t.Cleanup(func() {
		if err := r.src.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for !r.hasAll() {
		b := r.poll(ctx)
		if r.eof {
			t.Fatal("io.EOF before all lanes were assigned")
		}
		r.lanes = append(r.lanes, b.Assigned...)
	}
	return r
}

// hasAll reports whether all partitions are assigned, which several batches may do.
func (r *reading) hasAll() bool {
	r.t.Helper()
	list, err := r.src.Partitions(r.ctx)
	if err != nil {
		r.t.Fatalf("Partitions: %v", err)
	}
	has := map[record.Partition]bool{}
	for _, a := range r.lanes {
		for _, p := range a.Partitions {
			has[p] = true
		}
	}
	return len(r.lanes) > 0 && !slices.ContainsFunc(list, func(p record.Partition) bool { return !has[p] })
}

// poll takes one batch down.
func (r *reading) poll(ctx context.Context) *driver.Batch {
	r.t.Helper()
	b, err := r.src.Poll(ctx)
	switch {
	case errors.Is(err, io.EOF):
		r.eof = true
		return &driver.Batch{}
	case err != nil && ctx.Err() != nil && r.ctx.Err() == nil:
		return &driver.Batch{}
	case err != nil:
		r.t.Fatalf("Poll: %v", err)
	case b == nil:
		return &driver.Batch{}
	}
	for i := range b.Records {
		r.take(b, b.Records[i].Clone())
	}
	if b.WarmDone {
		r.done[b.Lane]++
	}
	for _, e := range b.Ended {
		r.ended[e.Partition] = true
	}
	if len(b.Unreadable) > 0 {
		r.t.Errorf("%d records are unreadable: %v", len(b.Unreadable), b.Unreadable[0].Err)
	}
	return b
}

func (r *reading) take(b *driver.Batch, rec record.Record) {
	r.t.Helper()
	i := slices.IndexFunc(r.lanes, func(a driver.Assignment) bool { return a.Lane == b.Lane })
	if i < 0 || rec.Partition == nil || !slices.Contains(r.lanes[i].Partitions, *rec.Partition) {
		r.t.Fatalf("a record of %v in a batch of lane %q, which does not have it", rec.Partition, b.Lane)
	}
	if rec.Position.IsZero() {
		r.t.Fatalf("a record of %v has the zero position, which is before the first record", *rec.Partition)
	}
	r.order = append(r.order, delivery{b.Lane, *rec.Partition, rec.Position, b.Warm})
	into := r.got
	if b.Warm {
		into = r.warm
	}
	into[*rec.Partition] = append(into[*rec.Partition], rec)
}

// start begins all lanes at from; partitions that from does not name begin at their first record. warm says what to read
// again for a warm-up; nil is none.
func (r *reading) start(from map[record.Partition]driver.Progress, warm *driver.Start) {
	r.t.Helper()
	for _, a := range r.lanes {
		s := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{}}
		if warm != nil {
			s.Warmup, s.WarmFrom = warm.Warmup, warm.WarmFrom
		}
		for _, p := range a.Partitions {
			s.From[p] = from[p]
		}
		if err := r.src.Start(r.ctx, s); err != nil {
			r.t.Fatalf("Start of %s: %v", a.Lane, err)
		}
	}
}

// until polls until f holds.
func (r *reading) until(what string, f func() bool) {
	r.t.Helper()
	for !f() {
		if r.eof {
			r.t.Fatalf("io.EOF before %s", what)
		}
		quiet, cancel := context.WithTimeout(r.ctx, suiteQuiet)
		n := len(r.order)
		r.poll(quiet).Release()
		if quiet.Err() != nil && len(r.order) == n {
			r.t.Fatalf("nothing came for %v before %s", suiteQuiet, what)
		}
		cancel()
	}
}

// toEnd polls until everything up to the end of the log was delivered.
func (r *reading) toEnd(all map[record.Partition][]record.Record) {
	r.t.Helper()
	r.until("the last record", func() bool {
		for p, want := range all {
			got := r.got[p]
			if len(got) == 0 || got[len(got)-1].Position != want[len(want)-1].Position {
				return false
			}
		}
		return true
	})
}

// enough reports whether the log has shown what the suite needs.
func (r *reading) enough() bool {
	n := 0
	for _, records := range r.got {
		if len(records) >= 20 {
			n++
		}
	}
	return n >= 2
}

// proved asks whether everything was delivered. It asks rarely: there is a record to wait for otherwise.
func (r *reading) proved() bool {
	r.t.Helper()
	at := map[record.Partition]record.Position{}
	for _, a := range r.lanes {
		for _, p := range a.Partitions {
			if got := r.got[p]; len(got) > 0 {
				at[p] = got[len(got)-1].Position
			} else {
				at[p] = record.Position{}
			}
			if r.ended[p] {
				delete(at, p)
			}
		}
	}
	proved, err := r.src.AtEnd(r.ctx, at)
	if err != nil {
		r.t.Fatalf("AtEnd: %v", err)
	}
	return len(proved) == len(at)
}

// want compares what a partition gave.
func (r *reading) want(p record.Partition, got, want []record.Record) {
	r.t.Helper()
	same := func(a, b record.Record) bool {
		return a.Position == b.Position && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Time.Equal(b.Time)
	}
	if !slices.EqualFunc(got, want, same) {
		r.t.Errorf("%v: got %d records %v, want %d %v", p, len(got), positions(got), len(want), positions(want))
	}
}

func positions(records []record.Record) (at []record.Position) {
	for _, r := range records {
		at = append(at, r.Position)
	}
	return at[:min(len(at), 40)]
}

func (r *reading) checkPendingFirst(all map[record.Partition][]record.Record, from map[record.Partition]driver.Progress, back map[record.Partition][]record.Record) {
	r.t.Helper()
	for p, records := range all {
		r.want(p, r.got[p], append(slices.Clone(back[p]), records[13:]...))
	}
	fresh := map[string]bool{}
	for _, d := range r.order {
		isNew := d.pos.Compare(from[d.p].UpTo) > 0
		if !d.warm && !isNew && fresh[d.lane] {
			r.t.Errorf("lane %s: pending record %v of %v came after a new record of the lane", d.lane, d.pos, d.p)
		}
		fresh[d.lane] = fresh[d.lane] || isNew
	}
}
