package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

func openCounter(t testing.TB, opts *CountOptions) *counter {
	t.Helper()
	p, err := Count(opts).Open(&stage.Lane{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*counter)
}

// marked is a record of a line.
func marked(id ID, line int) record.Event[record.Record] {
	h := record.Header{Key: Header, Value: Mark{id, line}.Append(nil)}
	return record.Event[record.Record]{Value: record.Record{Value: []byte("v"), Headers: []record.Header{{Key: "other", Value: []byte("x")}, h}}, Origin: record.NewOrigin(uint32(line))}
}

func pass(t testing.TB, c *counter, in ...record.Event[record.Record]) []record.Event[record.Record] {
	t.Helper()
	var out stage.Emitter[record.Record]
	if err := c.Process(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	events, ends := out.Take()
	if len(ends) > 0 {
		t.Errorf("it says %v of records", ends)
	}
	return slices.Clone(events)
}

// lines reads notes: the runs of each batch, those that came and those that are dead.
func noted(t testing.TB, c *counter) map[ID][2]spans {
	t.Helper()
	all := map[ID][2]spans{}
	for _, n := range c.Notes() {
		r := bufio.NewReader(bytes.NewReader(n.Body))
		rows := int64(0)
		for {
			var a arrived
			err := a.read(r)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rows++; a.id.Time().Truncate(time.Minute) != n.Time || n.Name != Notes {
				t.Errorf("batch %s is noted under %q, %s", a.id, n.Name, n.Time)
			}
			if _, twice := all[a.id]; twice {
				t.Errorf("batch %s is noted twice", a.id)
			}
			all[a.id] = [2]spans{a.came, a.dead}
		}
		if rows != n.Rows {
			t.Errorf("a note of %d rows has %d", n.Rows, rows)
		}
	}
	return all
}

func TestTheLinesOfEachBatchAreNotedOncePerCut(t *testing.T) {
	c := openCounter(t, nil)
	one, two := NewID(noon), NewID(noon.Add(time.Hour))
	in := []record.Event[record.Record]{marked(one, 1), marked(two, 7), marked(one, 2), marked(one, 2), marked(two, 5), marked(one, 4)}
	if got := pass(t, c, in...); !reflect.DeepEqual(got, in) {
		t.Errorf("passed on is %v, want what came", got)
	}
	pass(t, c, marked(one, 3))
	want := map[ID][2]spans{one: {{{1, 4}}, nil}, two: {{{5, 5}, {7, 7}}, nil}}
	if got := noted(t, c); !reflect.DeepEqual(got, want) {
		t.Errorf("noted %v, want %v", got, want)
	}
	pass(t, c, marked(two, 6))
	if got := noted(t, c); !reflect.DeepEqual(got, map[ID][2]spans{two: {{{6, 6}}, nil}}) {
		t.Errorf("the next cut has %v, want what came since", got)
	}
	if got := c.Notes(); got != nil || c.Kept() != 0 {
		t.Errorf("nothing came, and noted is %v; %d bytes are kept", got, c.Kept())
	}
}

func TestAMarkInFrontOfAValueIsTakenAway(t *testing.T) {
	c := openCounter(t, nil)
	id := NewID(noon)
	value := append(Mark{id, 9}.AppendPrefix(nil), "payload"...)
	in := record.Event[record.Record]{Value: record.Record{Value: value}}
	if got := pass(t, c, in); string(got[0].Value.Value) != "payload" {
		t.Errorf("passed on is %q", got[0].Value.Value)
	}
	c.Buried(&in.Value) // as the source gave it
	if got, want := noted(t, c), (map[ID][2]spans{id: {{{9, 9}}, {{9, 9}}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("noted %v, want %v", got, want)
	}
	var out stage.Emitter[record.Record]
	if err := c.Warm(t.Context(), []record.Event[record.Record]{in}, &out); err != nil {
		t.Fatal(err)
	}
	if events, _ := out.Take(); string(events[0].Value.Value) != "payload" || len(noted(t, c)) > 0 {
		t.Errorf("a warm-up passes on %q, and is noted", events[0].Value.Value)
	}
}

// Nonsense in a header stops nothing and costs nobody a row.
func TestRecordsWithoutAMarkPassUncounted(t *testing.T) {
	var unmarked atomic.Int64
	c := openCounter(t, &CountOptions{Unmarked: &unmarked})
	header := func(b []byte) record.Event[record.Record] {
		return record.Event[record.Record]{Value: record.Record{Headers: []record.Header{{Key: Header, Value: b}}}}
	}
	id := NewID(noon)
	in := []record.Event[record.Record]{
		{}, {Value: record.Record{Value: []byte("{}")}}, {Value: record.Record{Value: []byte(markPrefix)}}, header(nil), header([]byte("x")),
		header(id[:]), header(append(id[:], 0)), header(bytes.Repeat([]byte{0xff}, 17)), header(append(bytes.Repeat([]byte{0xff}, 16), 1)),
	}
	if got := pass(t, c, in...); !reflect.DeepEqual(got, in) {
		t.Errorf("passed on is %v", got)
	}
	for i := range in {
		c.Buried(&in[i].Value)
	}
	if got := noted(t, c); len(got) > 0 || unmarked.Load() != int64(len(in)) {
		t.Errorf("noted %v, and %d of %d are counted as unmarked", got, unmarked.Load(), len(in))
	}
}

func TestRunsOfLinesAreWhatWasAdded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s spans
		want := map[uint32]bool{}
		line := uint32(0)
		for range r.IntN(400) {
			switch r.IntN(4) {
			case 0:
				line = 1 + r.Uint32N(500)
			default:
				line++
			}
			line = max(line, 1)
			s.add(line)
			want[line] = true
		}
		s.join()
		var got spans
		if err := got.read(bufio.NewReader(bytes.NewReader(s.append(nil)))); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, s) || got.count() != len(want) {
			t.Fatalf("%v is read as %v; %d lines, want %d", s, got, got.count(), len(want))
		}
		for _, run := range got {
			for l := run.first; l <= run.last; l++ {
				if !want[l] {
					t.Fatalf("%v has line %d, which was not added", got, l)
				}
			}
		}
	}
}

// Copies of the same few lines, over and over, take no memory.
func TestCopiesOfLinesTakeNoMemory(t *testing.T) {
	var s spans
	for i := range 1_000_000 {
		s.add(uint32(1 + i%7*2))
	}
	if cap(s) > 128 {
		t.Errorf("7 lines take room for %d runs", cap(s))
	}
}

func FuzzNotes(f *testing.F) {
	a := arrived{id: NewID(noon), run: span{1, 0}, came: spans{{1, 3}, {7, 7}}, dead: spans{{2, 2}}}
	f.Add(a.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			var a arrived
			if err := a.read(r); err != nil {
				return
			}
			for _, s := range []spans{a.came, a.dead} {
				for _, run := range s {
					if run.first < 1 || run.last < run.first || run.last > maxMarkLine {
						t.Fatalf("%x is read as %v", b, a)
					}
				}
			}
		}
	})
}

// lines are records of some batches in turn, of which each has as many lines.
func lines(batches, n int, of func(id ID, line int) record.Event[record.Record]) []record.Event[record.Record] {
	var ids []ID
	for range batches {
		ids = append(ids, NewID(noon))
	}
	in := make([]record.Event[record.Record], n*batches)
	for i := range in {
		in[i] = of(ids[i%batches], 1+i/batches)
	}
	return in
}

// prefixed is a record of a line with its mark in front of the value.
func prefixed(id ID, line int) record.Event[record.Record] {
	v := append(Mark{id, line}.AppendPrefix(nil), "payload"...)
	return record.Event[record.Record]{Value: record.Record{Value: v}, Origin: record.NewOrigin(uint32(line))}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	c, in := openCounter(t, nil), append(lines(50, 128, marked), lines(50, 128, prefixed)...)
	var out stage.Emitter[record.Record]
	step := func() {
		for part := range slices.Chunk(in, 128) {
			if err := c.Process(context.Background(), part, &out); err != nil {
				t.Fatal(err)
			}
			out.Take()
		}
	}
	step() // the batches and buffers of the cut
	if got := testing.AllocsPerRun(10, step); got > 0 {
		t.Errorf("%v allocations for %d records", got, len(in))
	}
}

// BenchmarkCount is what an event costs in the stage, and in one that passes on alone.
func BenchmarkCount(b *testing.B) {
	run := func(b *testing.B, in []record.Event[record.Record], p stage.Processor[record.Record, record.Record], cut func()) {
		b.Helper()
		var out stage.Emitter[record.Record]
		n := 0
		for b.Loop() {
			if err := p.Process(context.Background(), in[n:n+128], &out); err != nil {
				b.Fatal(err)
			}
			out.Take()
			if n += 128; n == len(in) {
				n = 0
				cut()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/event")
	}
	for _, v := range []struct {
		name       string
		batches, n int
		of         func(ID, int) record.Event[record.Record]
	}{{"1_batch", 1, 12800, marked}, {"50_batches_in_turn", 50, 256, marked}, {"5000_batches_in_turn", 5000, 128, marked}, {"50_batches_in_turn_by_prefix", 50, 256, prefixed}} {
		c, in := openCounter(b, nil), lines(v.batches, v.n, v.of)
		b.Run(v.name, func(b *testing.B) { run(b, in, c, func() { c.Notes() }) })
	}
	b.Run("pass_on_alone", func(b *testing.B) { run(b, lines(50, 256, marked), copies{}, func() {}) })
}

type copies struct{}

func (copies) Process(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[record.Record]) error {
	out.EmitAll(in)
	return nil
}
