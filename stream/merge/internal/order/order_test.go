package order_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/merge/internal/order"
)

var (
	t0      = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	forever = order.Rule{Near: 5 * time.Minute, Ahead: 10 * time.Minute, Confirm: 16, Disorder: time.Minute, Patience: -1}
	now     = t0.Add(time.Hour)
)

// rec is a record of a model of some logs.
type rec struct {
	input    int
	at       time.Time // of the event
	appended time.Time
}

// world is a merge, the logs that it reads, and what came of it.
type world struct {
	m      *order.Merge
	rule   order.Rule
	logs   [][]rec
	pushed []int // of each log
	taken  []int
	out    []rec
	clock  time.Time // everything that was appended by now can be read
}

func newWorld(n int, rule *order.Rule) *world {
	return &world{m: order.New(n, rule), rule: *rule, logs: make([][]rec, n), pushed: make([]int, n), taken: make([]int, n)}
}

// push reads up to n records of log i.
func (w *world) push(i, n int) {
	var times []int64
	for n > 0 && w.pushed[i] < len(w.logs[i]) && !w.logs[i][w.pushed[i]].appended.After(w.clock) {
		times = append(times, order.At(w.logs[i][w.pushed[i]].at))
		w.pushed[i]++
		n--
	}
	w.m.Push(i, times, w.clock)
}

// ends reports whether log i has nothing behind what was read.
func (w *world) ends(i int) bool {
	return w.pushed[i] == len(w.logs[i]) || w.logs[i][w.pushed[i]].appended.After(w.clock)
}

// take takes all that may go.
func (w *world) take(most int) {
	for {
		i, n := w.m.Next(w.clock, most)
		if n == 0 {
			return
		}
		for range n {
			w.out = append(w.out, w.logs[i][w.taken[i]])
			w.taken[i]++
		}
	}
}

func (w *world) left() (n int) {
	for i := range w.logs {
		n += len(w.logs[i]) - w.taken[i]
	}
	return n
}

// disorder is how far a record is behind a newer one that came before it, at most.
func disorder(out []rec) (most time.Duration) {
	var newest time.Time
	for _, r := range out {
		most = max(most, newest.Sub(r.at))
		if r.at.After(newest) {
			newest = r.at
		}
	}
	return most
}

// logs fills n logs with records that reach their log at most d after their time. Their times begin anywhere and go on by
// steps from nanoseconds to years.
func (w *world) fill(r *rand.Rand, d time.Duration) {
	at := time.Unix(r.Int64N(6e9)-2.2e9, r.Int64N(1e9)).UTC() // from 1900 on
	scale := []time.Duration{time.Nanosecond, time.Microsecond, time.Second, time.Minute, time.Hour, 24 * time.Hour, 365 * 24 * time.Hour}
	step := scale[r.IntN(len(scale))]
	for i := range w.logs {
		t := at.Add(time.Duration(r.Int64N(int64(step)) + 1))
		for range r.IntN(60) {
			if r.IntN(20) == 0 {
				step = scale[r.IntN(len(scale))]
			}
			if t = t.Add(time.Duration(r.Int64N(int64(step)) + 1)); t.Year() > 2098 {
				break
			}
			w.logs[i] = append(w.logs[i], rec{i, t, t.Add(time.Duration(r.Int64N(int64(d) + 1)))})
		}
		slices.SortStableFunc(w.logs[i], func(a, b rec) int { return cmp.Or(a.appended.Compare(b.appended), a.at.Compare(b.at)) })
	}
}

// Logs are read in pieces, at any speeds, with proofs of their ends while they grow: what comes is as sorted as each of them.
func TestWhatGoesIsAsSortedAsTheInputs(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := []time.Duration{0, time.Millisecond, time.Second, 4 * time.Minute}[r.IntN(4)]
		w := newWorld(2+r.IntN(3), &forever)
		w.fill(r, d)
		var appended []time.Time
		for _, log := range w.logs {
			for _, x := range log {
				appended = append(appended, x.appended)
			}
		}
		slices.SortFunc(appended, time.Time.Compare)
		stamps, proofs := map[int]int64{}, r.IntN(2) == 0
		for _, w.clock = range appended {
			for range r.IntN(4) {
				switch i := r.IntN(len(w.logs)); r.IntN(4) {
				case 0, 1:
					w.push(i, 1+r.IntN(8))
				case 2:
					w.take(1 + r.IntN(5))
				case 3: // asked, and answered later, when the log may have grown
					if at, ok := stamps[i]; ok {
						w.m.Prove(i, at)
						delete(stamps, i)
					} else if proofs && w.ends(i) {
						stamps[i] = w.m.Stamp()
					}
				}
			}
		}
		w.clock = time.Date(2099, 12, 29, 0, 0, 0, 0, time.UTC)
		for _, i := range r.Perm(len(w.logs)) {
			w.push(i, 1000)
			w.take(7)
			w.m.End(i)
			w.take(7)
		}
		if n := w.left(); n > 0 {
			t.Fatalf("seed %d: %d records are left", seed, n)
		}
		if got := disorder(w.out); got > d {
			t.Fatalf("seed %d: a record is %v behind a newer one before it, and at most %v in its log", seed, got, d)
		}
		for i := range w.logs {
			if c := w.m.Counts(i); c.Odd > 0 || c.Without > 0 || c.Records != int64(len(w.logs[i])) || c.Behind > 0 && d <= forever.Disorder {
				t.Fatalf("seed %d: input %d counts %+v of %d records", seed, i, c, len(w.logs[i]))
			}
		}
	}
}

// series are n times from at on.
func series(at time.Time, n int, step time.Duration) (times []int64) {
	for i := range n {
		times = append(times, order.At(at.Add(time.Duration(i)*step)))
	}
	return times
}

// takes returns how many records of each input go now.
func takes(m *order.Merge, inputs int, at time.Time) []int {
	got := make([]int, inputs)
	for {
		i, n := m.Next(at, 1000)
		if n == 0 {
			return got
		}
		got[i] += n
	}
}

func want(t *testing.T, what string, got []int, want ...int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v records went, want %v", what, got, want)
	}
}

func TestAnEmptyInputHoldsTheOthersUntilItsEndIsProved(t *testing.T) {
	m := order.New(2, &forever)
	m.Push(0, series(t0, 10, time.Second), now)
	want(t, "nothing is known of the other", takes(m, 2, now), 0, 0)
	stamp := m.Stamp()
	m.Push(0, series(t0.Add(10*time.Second), 5, time.Second), now)
	m.Prove(1, stamp)
	want(t, "proved", takes(m, 2, now), 10, 0)
	if h := m.Holds(nil); len(h) != 1 || h[0].Input != 1 || !h[0].Since.Equal(now) || !h[0].Until.IsZero() {
		t.Errorf("held by %+v, want the other, for ever", h)
	}
	want(t, "a day later", takes(m, 2, now.Add(24*time.Hour)), 0, 0)
	m.Push(1, series(t0.Add(12*time.Second), 1, 0), now)
	want(t, "as far as it has got", takes(m, 2, now), 3, 1)
	m.End(1)
	want(t, "ended", takes(m, 2, now), 2, 0)
}

func TestPatienceEndsAndBeginsAgain(t *testing.T) {
	rule := forever
	rule.Patience = time.Minute
	m := order.New(2, &rule)
	m.Push(0, series(t0, 10, time.Second), now)
	want(t, "at once", takes(m, 2, now), 0, 0)
	if h := m.Holds(nil); len(h) != 1 || !h[0].Until.Equal(now.Add(time.Minute)) {
		t.Errorf("held by %+v, want until a minute is over", h)
	}
	want(t, "in time", takes(m, 2, now.Add(time.Minute-1)), 0, 0)
	want(t, "too late", takes(m, 2, now.Add(time.Minute)), 10, 0)
	m.Push(0, series(t0.Add(10*time.Second), 3, time.Second), now)
	want(t, "no further wait", takes(m, 2, now.Add(time.Minute)), 3, 0)
	if c := m.Counts(1); c.Without != 13 || !m.Left(1) {
		t.Errorf("%d went without it (left out: %v), want 13", c.Without, m.Left(1))
	}
	m.Push(1, series(t0, 1, 0), now)
	m.Push(0, series(t0.Add(13*time.Second), 1, time.Second), now)
	want(t, "it is back, and is waited for", takes(m, 2, now.Add(2*time.Minute)), 0, 1)
	if m.Left(1) {
		t.Error("it is still left out")
	}
	m.Rest()
	want(t, "it was not able to give anything", takes(m, 2, now.Add(10*time.Minute)), 0, 0)
}

// A side whose clock jumps a year ahead goes at once and holds nobody; what it gives does not move what others go by.
func TestAClockThatIsAYearAheadNeitherHoldsNorSpoils(t *testing.T) {
	m := order.New(2, &forever)
	m.Push(0, series(t0, 20, time.Second), now)
	m.Push(1, series(t0, 20, time.Second), now)
	takes(m, 2, now)
	m.Push(1, series(now.AddDate(1, 0, 0), 15, time.Second), now)
	m.Push(0, series(t0.Add(20*time.Second), 5, time.Second), now)
	want(t, "15 may be odd ones", takes(m, 2, now), 0, 15)
	m.Push(1, series(now.AddDate(1, 0, 0), 1, time.Second), now)
	want(t, "16 are a wrong clock", takes(m, 2, now), 5, 1)
	if !m.Astray(1) || m.Counts(1).Odd != 16 || m.Counts(0).Behind+m.Counts(1).Behind > 0 {
		t.Errorf("astray: %v; counts %+v and %+v", m.Astray(1), m.Counts(0), m.Counts(1))
	}
	// It is set right.
	m.Push(1, series(t0.Add(20*time.Minute), 16, time.Second), now)
	m.Push(0, series(t0.Add(21*time.Minute), 1, time.Second), now)
	want(t, "it holds again", takes(m, 2, now), 0, 16)
	if m.Astray(1) {
		t.Error("it is still not believed")
	}
}

func TestAClockThatIsAYearBehindNeitherHoldsNorSpoils(t *testing.T) {
	m := order.New(2, &forever)
	m.Push(0, series(t0, 20, time.Second), now)
	m.Push(1, series(t0, 20, time.Second), now)
	takes(m, 2, now)
	m.Push(1, series(t0.AddDate(-1, 0, 0), 16, time.Second), now)
	m.Push(0, series(t0.Add(20*time.Second), 5, time.Second), now)
	want(t, "a wrong clock", takes(m, 2, now), 5, 16)
	if !m.Astray(1) || m.Counts(1).Behind != 16 || m.Counts(0).Behind > 0 {
		t.Errorf("astray: %v; counts %+v and %+v", m.Astray(1), m.Counts(0), m.Counts(1))
	}
}

// A minority of a side's records, in its past or its future, moves nothing and holds nothing.
func TestOddTimesOfOneSideLeaveTheRestSorted(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(2, &forever)
		w.clock = t0.AddDate(10, 0, 0)
		odd := map[time.Time]bool{}
		for i := range w.logs {
			at := t0
			for range 200 {
				at = at.Add(time.Duration(r.Int64N(int64(10 * time.Second))))
				w.logs[i] = append(w.logs[i], rec{i, at, t0})
				if r.IntN(10) == 0 && len(w.logs[i]) < 190 { // the last ones would have nothing behind them
					x := at.Add(time.Duration(r.Int64N(int64(5*365*24*time.Hour))) + time.Hour)
					if r.IntN(2) == 0 {
						x = at.Add(-time.Hour - time.Duration(r.Int64N(int64(365*24*time.Hour))))
					}
					odd[x] = true
					w.logs[i] = append(w.logs[i], rec{i, x, t0})
				}
			}
		}
		w.push(0, 1000)
		w.push(1, 1000)
		w.m.End(0)
		w.m.End(1)
		w.take(1 + r.IntN(9))
		if w.left() > 0 {
			t.Fatalf("seed %d: %d are left", seed, w.left())
		}
		rest := slices.DeleteFunc(w.out, func(x rec) bool { return odd[x.at] })
		if d := disorder(rest); d > 0 {
			t.Fatalf("seed %d: a record is %v behind a newer one", seed, d)
		}
	}
}

func TestRecordsWithoutATimeGoAtOnce(t *testing.T) {
	m := order.New(2, &forever)
	m.Push(0, []int64{order.None, order.None, order.At(t0), order.None}, now)
	want(t, "those in front", takes(m, 2, now), 2, 0)
	m.Push(1, series(t0, 1, 0), now)
	want(t, "the one behind, too", takes(m, 2, now), 2, 1)
	if c := m.Counts(0); c.Odd != 3 || c.Records != 4 || m.Astray(0) {
		t.Errorf("counts %+v, astray %v", c, m.Astray(0))
	}
}

func TestTimesThatNoMergeReckonsWithAreNone(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), time.Date(1899, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if order.At(at) != order.None {
			t.Errorf("%v is %d, want none", at, order.At(at))
		}
	}
	for _, at := range []time.Time{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), t0, time.Date(2099, 12, 31, 23, 59, 59, 999999999, time.UTC)} {
		if order.At(at) != at.UnixNano() {
			t.Errorf("%v is %d, want its nanoseconds", at, order.At(at))
		}
	}
}

func BenchmarkNext(b *testing.B) {
	rule := forever
	m := order.New(2, &rule)
	times := make([]int64, 500)
	at := t0
	b.ReportAllocs()
	for n := 0; n < b.N; n += 1000 {
		for i := range 2 {
			for k := range times {
				times[k] = order.At(at) + int64(k*2+i)*1e6
			}
			m.Push(i, times, now.AddDate(50, 0, 0))
		}
		at = at.Add(time.Second)
		for {
			if _, n := m.Next(now, 1024); n == 0 {
				break
			}
		}
	}
}
