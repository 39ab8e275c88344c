package join_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// All events have one key, and every second one is at a time that others have too.
func TestOneKeyWithEverythingEqualsSortAndScan(t *testing.T) {
	o := &join.Options{Window: 90 * time.Second, Early: 5 * time.Second, Grace: 100 * time.Second}
	n := 2000
	if testing.Short() {
		n = 400
	}
	for _, settled := range []bool{true, false} {
		r := rand.New(rand.NewPCG(3, 3))
		var in []fed
		for range n {
			at := t0.Add(time.Duration(r.Int64N(int64(100*time.Second)/int64(10*time.Millisecond))) * 10 * time.Millisecond)
			in = append(in, fed{event{Key: "k", Left: r.IntN(3) > 0, At: at}, r.IntN(2)})
		}
		slices.SortStableFunc(in, func(a, b fed) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.partition, b.partition)) })
		for i := range in {
			in[i].ID = i + 1
		}
		if settled {
			r.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
		}
		l := streamtest.Open(t, join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, settled)))
		for i, e := range in {
			l.Partition(e.partition).Feed(e.At, e.event)
			if i%(n/5) == n/5-1 {
				l.CrashShuffled(uint64(i))
			}
		}
		l.Advance(record.EndOfTime)
		want, _ := sortAndScan(in, o)
		if !settled {
			want = inOrder(in, o)
		}
		if got := rows(l); !slices.Equal(got, want) {
			t.Errorf("settled %v: %d rows, want %d others", settled, len(got), len(want))
		}
	}
}

// Events of one record at one time are in the order in which the record has them, which a replay keeps.
func TestEventsOfOneRecordKeepTheirOrder(t *testing.T) {
	s := stream.Compose(
		stream.FlatMap(func(in *[]event, yield func(event)) error {
			for _, e := range *in {
				yield(e)
			}
			return nil
		}),
		join.Left((*event).key, (*event).isLeft, (*event).merge, nil))
	for seed := range uint64(20) { // the shape of the tree is another one each time
		l := streamtest.Open(t, s)
		loads := make([]event, 50)
		for i := range loads {
			loads[i] = load(i+1, "k")
		}
		l.Feed(t0, loads)
		l.CrashShuffled(seed)
		for i := range loads { // the latest left that is not later: the last of those that are left
			l.Feed(t0, []event{beat(100+len(loads)-i, "k")})
		}
		if len(l.Out) != len(loads) || l.Pending() != 0 {
			t.Fatalf("%d rows, %d pending; want %d and none", len(l.Out), l.Pending(), len(loads))
		}
		for _, e := range l.Out {
			if e.Mate != e.ID+100 {
				t.Fatalf("load %d has beat %d, want %d", e.ID, e.Mate, e.ID+100)
			}
		}
	}
}

// One key with everything, such as a bot's session: each event finds its place among all that wait.
func BenchmarkOneKey(b *testing.B) {
	for _, disorder := range []time.Duration{0, 5 * time.Second, 90 * time.Second} {
		b.Run(disorder.String(), func(b *testing.B) {
			const n = 20_000
			for b.Loop() {
				r := rand.New(rand.NewPCG(1, 1))
				p, err := join.Left((*event).key, (*event).isLeft, (*event).merge, nil).Open(&stage.Lane{})
				if err != nil {
					b.Fatal(err)
				}
				part := &record.Partition{}
				out := stage.NewEmitter[event](stage.LookupFunc(func(o record.Origin) record.Ref { return record.Ref{Partition: part} }))
				for i := range n {
					at := t0.Add(time.Duration(i)*90*time.Second/n - time.Duration(r.Int64N(int64(disorder)+1)))
					e := record.Event[event]{Value: load(i, "k"), Time: at, Origin: record.NewOrigin(uint32(i + 1))}
					if err := p.Process(b.Context(), []record.Event[event]{e}, out); err != nil {
						b.Fatal(err)
					}
					out.Take()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}
