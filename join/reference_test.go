package join_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// event is what the tests join. Its ID grows with its time and place.
type event struct {
	ID   int
	Key  string
	Left bool
	At   time.Time
	Mate int
	Raw  bool // a copy for the raw flow, that takes no part
}

func (e *event) key() string {
	if e.Raw {
		return ""
	}
	return e.Key
}
func (e *event) isLeft() bool    { return e.Left }
func (e *event) merge(r *event)  { e.Mate = r.ID }
func (e *event) eventID() string { return fmt.Sprint("id", e.ID) }

// fed is an event in a partition, at its place in the order of arrival.
type fed struct {
	event
	partition int
}

// sortAndScan is the reference: it sees all events at once. Each right event, in the order of time, takes the latest left
// one not later than it within window; else the earliest one after it within early.
func sortAndScan(in []fed, o *join.Options) (rows []string, unmatched int) {
	all := slices.Clone(in) // in the order of positions, which the sort keeps among equals
	slices.SortStableFunc(all, func(a, b fed) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.partition, b.partition))
	})
	taken := map[int]int{}
	for _, r := range all {
		if r.Left {
			continue
		}
		best := -1
		for i, l := range all {
			if _, ok := taken[l.ID]; ok || !l.Left || l.Key != r.Key {
				continue
			}
			gap := r.At.Sub(l.At)
			if gap >= 0 && gap <= o.Window {
				best = i // a later one is better
			}
			if gap < 0 && -gap <= o.Early && (best < 0 || all[best].At.After(r.At) && all[best].At.After(l.At)) {
				best = i
			}
		}
		if best < 0 {
			unmatched++
			continue
		}
		taken[all[best].ID] = r.ID
	}
	for _, l := range all {
		if l.Left {
			rows = append(rows, fmt.Sprintf("%d+%d", l.ID, taken[l.ID]))
		}
	}
	slices.Sort(rows)
	return rows, unmatched
}

// arrivals draws events whose disorder within a partition is at most grace, in an order of arrival in which partitions
// run ahead of each other as they like.
func arrivals(r *rand.Rand, o *join.Options, unique bool) []fed {
	n, parts, keys := 1+r.IntN(14), 1+r.IntN(3), 1+r.IntN(3)
	hour := time.Date(2025, 5, 1, 7, 0, 0, 0, time.UTC) // events lie on both sides of an hour's border
	span := int64(1+r.IntN(3)) * int64(o.Window)
	var all []fed
	for i := range n {
		e := event{ID: i + 1, Key: fmt.Sprint("k", r.IntN(keys)), Left: r.IntN(2) == 0}
		e.At = hour.Add(time.Duration(r.Int64N(span/int64(time.Second))-span/int64(2*time.Second)) * time.Second)
		if unique {
			e.Key = fmt.Sprint("k", i/2)
			e.Left = i%2 == 0
		}
		all = append(all, fed{e, r.IntN(parts)})
	}
	slices.SortFunc(all, func(a, b fed) int { return a.At.Compare(b.At) })
	for i := range all {
		all[i].ID = i + 1
	}
	return disorder(r, all, parts, o.Grace)
}

// disorder is an order of arrival of events that are sorted.
func disorder(r *rand.Rand, all []fed, parts int, grace time.Duration) (out []fed) {
	queues := make([][]fed, parts)
	for _, e := range all {
		queues[e.partition] = append(queues[e.partition], e)
	}
	for p := range queues {
		late := map[int]time.Time{}
		for _, e := range queues[p] {
			late[e.ID] = e.At.Add(time.Duration(r.Int64N(int64(grace) + 1)))
		}
		slices.SortFunc(queues[p], func(a, b fed) int { return late[a.ID].Compare(late[b.ID]) })
	}
	for len(out) < len(all) {
		if p := r.IntN(parts); len(queues[p]) > 0 {
			out = append(out, queues[p][0])
			queues[p] = queues[p][1:]
		}
	}
	return out
}

// With KeepRight a left join is a full outer one: what has no match has a row, on both sides.
func TestRightEventsWithoutAMatchAreKept(t *testing.T) {
	for seed := range inputs() / 4 {
		r := rand.New(rand.NewPCG(seed, 10))
		o := options(r)
		in := arrivals(r, o, false)
		outer := given(o, true)
		outer.KeepRight = true
		l := drive(t, r, join.Left((*event).key, (*event).isLeft, (*event).merge, outer), in)
		want, _ := sortAndScan(in, o)
		matched := map[string]bool{}
		for _, row := range want {
			_, right, _ := strings.Cut(row, "+")
			matched[right] = true
		}
		for _, e := range in {
			if id := fmt.Sprint(e.ID); !e.Left && !matched[id] {
				want = append(want, id+"+0")
			}
		}
		slices.Sort(want)
		if got := rows(l); !slices.Equal(got, want) || len(l.Reasons()) > 0 || l.Pending() > 0 {
			t.Fatalf("seed %d, %+v:\n in  %v\n got  %v\n want %v, reasons %v", seed, *o, in, got, want, l.Reasons())
		}
		l.Close()
	}
}

// drive feeds the events with crashes, fences and commits in between, moves the clock as an engine would, and returns
// what came out.
func drive(t *testing.T, r *rand.Rand, s stage.Stage[event, event], in []fed) *streamtest.Lane[event, event] {
	l := streamtest.Open(t, s)
	parts := 0
	for _, e := range in {
		parts = max(parts, e.partition+1)
	}
	clocks := make([]time.Time, parts)
	for _, e := range in {
		l.Partition(e.partition).Feed(e.At, e.event)
		if e.At.After(clocks[e.partition]) {
			clocks[e.partition] = e.At
		}
		seen := slices.MinFunc(clocks, time.Time.Compare)
		if !seen.IsZero() && r.IntN(3) > 0 {
			l.Advance(seen)
		}
		switch r.IntN(8) {
		case 0:
			l.Commit()
			l.CrashShuffled(r.Uint64())
		case 1:
			l.Commit()
		case 2:
			l.Fence()
		}
	}
	l.Advance(record.EndOfTime)
	return l
}

func rows(l *streamtest.Lane[event, event]) (rows []string) {
	for _, e := range l.Out {
		rows = append(rows, fmt.Sprintf("%d+%d", e.ID, e.Mate))
	}
	slices.Sort(rows)
	return rows
}

func options(r *rand.Rand) *join.Options {
	early := time.Duration(r.IntN(3)) * 2 * time.Second
	grace := time.Duration(r.IntN(4)) * 5 * time.Second
	return &join.Options{Window: time.Duration(1+r.IntN(4)) * 10 * time.Second, Early: early, Grace: grace}
}

// given is o as a user writes it: zero means the default, so none is -1.
func given(o *join.Options, settled bool) *join.Options {
	c := *o
	c.Early, c.Grace, c.Settled = cmp.Or(c.Early, -1), cmp.Or(c.Grace, -1), settled
	return &c
}

// inputs is the number of random inputs of a test.
func inputs() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("ONCEFLOW_INPUTS"), 10, 32); err == nil {
		return n // make oracle
	}
	if testing.Short() {
		return 200
	}
	return 1500
}

func TestSettledEqualsSortAndScanInAnyOrderOfArrival(t *testing.T) {
	for seed := range inputs() {
		r := rand.New(rand.NewPCG(seed, 5))
		o := options(r)
		in := arrivals(r, o, false)
		l := drive(t, r, join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, true)), in)
		check(t, seed, o, in, l)
	}
}

func TestPairsEqualSortAndScanIfPartnersAreUnique(t *testing.T) {
	for seed := range inputs() / 3 {
		r := rand.New(rand.NewPCG(seed, 6))
		o := options(r)
		in := arrivals(r, o, true)
		l := drive(t, r, join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, false)), in)
		check(t, seed, o, in, l)
	}
}

func TestDuplicatesBeforeTheJoinChangeNothing(t *testing.T) {
	for seed := range inputs() / 4 {
		r := rand.New(rand.NewPCG(seed, 7))
		o := options(r)
		in := arrivals(r, o, false)
		var twice []fed // copies in the same partition, so that they are no later than the disorder allows
		for _, e := range in {
			twice = append(twice, e)
			if r.IntN(3) == 0 {
				twice = append(twice, e)
			}
		}
		s := stream.Compose(dedup.ByID(dedup.NewMemory(nil), (*event).eventID, nil),
			join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, true)))
		l := drive(t, r, s, twice)
		check(t, seed, o, in, l)
		if got, want := l.Fates()[record.Duplicate], int64(len(twice)-len(in)); got != want {
			t.Fatalf("seed %d: %d duplicates, want %d", seed, got, want)
		}
	}
}

func check(t *testing.T, seed uint64, o *join.Options, in []fed, l *streamtest.Lane[event, event]) {
	t.Helper()
	want, unmatched := sortAndScan(in, o)
	if got := rows(l); !slices.Equal(got, want) {
		t.Fatalf("seed %d, %+v:\n in  %v\n got  %v\n want %v", seed, *o, in, got, want)
	}
	if got := l.Reasons()["unmatched"]; got != unmatched {
		t.Fatalf("seed %d: %d unmatched right events, want %d", seed, got, unmatched)
	}
	if l.Pending() != 0 {
		t.Fatalf("seed %d: %d records are still pending", seed, l.Pending())
	}
	l.Close()
}
