package merge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// sorted reports whether records of each lane come in the order of their times.
func sorted(got []came) error {
	newest := map[string]time.Time{}
	for _, c := range got {
		if c.Time.Before(newest[c.lane]) {
			return fmt.Errorf("%s of %v comes %v behind a newer one", c.Position, *c.Partition, newest[c.lane].Sub(c.Time))
		}
		newest[c.lane] = c.Time
	}
	return nil
}

func TestThreeSidesBecomeOneSortedStream(t *testing.T) {
	a, b, c := filled(3, time.Second), filled(3, 7*time.Second), filled(3, 40*time.Millisecond)
	for _, log := range []*streamtest.Log{a, b, c} {
		log.EndAll()
	}
	r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": give(b), "c": give(c)}, nil))
	r.toEnd()
	if err := sorted(r.got); err != nil || len(r.got) != 3*3*25 {
		t.Errorf("%d records came, %v; want 225, sorted", len(r.got), err)
	}
	for name, n := range r.src.Counts() {
		if n != (merge.Counts{Records: 75}) {
			t.Errorf("side %s counts %+v, want 75 records and nothing odd", name, n)
		}
	}
}

// now is a time that the present is not far from, for logs that are written while they are read.
func now(i int, step time.Duration) time.Time { return time.Now().Add(time.Duration(i) * step) }

// A side that is idle is asked, and not waited for.
func TestAnIdleSideDelaysTheOthersByHalfASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamtest.NewLog(1), streamtest.NewLog(1)
		r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": give(b)}, nil))
		for i := range 100 {
			a.Append(0, 0, time.Now(), fmt.Sprint(i))
			r.during(130 * time.Millisecond)
		}
		b.Append(0, 0, time.Now(), "one") // whoever has something is waited for at once
		r.during(time.Second)
		if len(r.got) != 101 {
			t.Errorf("%d records came, want all 101", len(r.got))
		}
		for _, c := range r.got {
			if d := c.when.Sub(c.Time); d > 500*time.Millisecond {
				t.Errorf("record %s came %v after it was written, want half a second at most", c.Value, d)
			}
		}
		if err := sorted(r.got); err != nil {
			t.Error(err)
		}
	})
}

// Silence is no proof: a transaction may be open at the end of the log.
func TestASideThatCannotBeProvedToEndHoldsTheOthersForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamtest.NewLog(1), streamtest.NewLog(1)
		b.OpenTransaction(0, 0, true)
		r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": give(b)}, nil))
		a.Append(0, 0, time.Now(), "1", "2")
		r.during(50 * time.Second)
		r.want("while the side holds")
		if h := r.src.Health(); h.Stalled != nil {
			t.Errorf("health says %v before a minute is over", h.Stalled)
		}
		r.during(20 * time.Second)
		if h := r.src.Health(); h.Stalled == nil || !strings.Contains(h.Stalled.Error(), `side "b" has held lane a=lane-0 since`) {
			t.Errorf("health says %v, want that b holds", h.Stalled)
		}
		b.OpenTransaction(0, 0, false)
		r.during(time.Second)
		r.want("once its end is proved", "1", "2")
		if h := r.src.Health(); h.Stalled != nil {
			t.Errorf("health says %v", h.Stalled)
		}
	})
}

func TestWithPatienceTheOthersGoOnAndAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamtest.NewLog(1, 1), streamtest.NewLog(1, 1)
		b.OpenTransaction(0, 0, true)
		b.OpenTransaction(1, 0, true)
		var log strings.Builder
		o := &merge.Options{Patience: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": give(b)}, o))
		a.Append(0, 0, time.Now(), "1", "2", "3")
		a.Append(1, 0, time.Now(), "4")
		r.during(10*time.Second - 1)
		r.want("in time")
		r.during(time.Millisecond)
		if got := r.take(); len(got) != 4 {
			t.Errorf("%q came, want all four", got)
		}
		a.Append(0, 0, time.Now(), "5")
		r.during(time.Second)
		r.want("no further wait", "5")
		if n := r.src.Counts(); n["b"].Without != 5 || n["a"].Records != 5 {
			t.Errorf("counts are %+v, want 5 without b", n)
		}
		b.Append(0, 0, time.Now().Add(-time.Hour), "late")
		b.Append(1, 0, time.Now(), "6")
		r.during(time.Second)
		slices.SortFunc(r.got, func(x, y came) int { return strings.Compare(string(x.Value), string(y.Value)) })
		r.want("it is back", "6", "late")
		a.Append(0, 0, time.Now(), "7")
		r.during(9 * time.Second)
		r.want("and waited for")
		for what, want := range map[string]int{"go on without a side": 1, "is waited for again": 1} {
			if n := strings.Count(log.String(), what); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", what, n, want, log.String())
			}
		}
	})
}

// The present bounds what is believed, so a clock that is wrong by a year says nothing of how far a side has got.
func TestASideWhoseClockJumpsAYearNeitherHoldsNorSpoils(t *testing.T) {
	for name, by := range map[string]int{"ahead": 1, "back": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := streamtest.NewLog(1), streamtest.NewLog(1)
				b.OpenTransaction(0, 0, true) // nothing is proved of it
				var log strings.Builder
				r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": give(b)}, &merge.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
				put := func(at time.Time, n int) {
					for range n {
						a.Append(0, 0, time.Now(), "a")
						b.Append(0, 0, at, "b")
						at = at.Add(time.Second)
						r.during(time.Second)
					}
				}
				put(time.Now(), 20)
				put(time.Now().AddDate(by, 0, 0), 30)
				a.Append(0, 0, time.Now(), "last")
				r.during(time.Second)
				if n := len(r.got); n != 101 || string(r.got[n-1].Value) != "last" {
					t.Errorf("%d records came, want all 101", n)
				}
				for _, c := range r.got[2*(20+16):] { // so many could be odd ones
					if d := c.when.Sub(c.Time); string(c.Value) != "b" && d > 0 {
						t.Errorf("a record of the other side came %v late", d)
					}
				}
				good := slices.DeleteFunc(r.got, func(c came) bool { return c.when.Sub(c.Time).Abs() > time.Hour })
				if err := sorted(good); err != nil {
					t.Error(err)
				}
				if n := r.src.Counts()["b"]; n.Odd+n.Behind != 30 || strings.Count(log.String(), "not believed") != 1 {
					t.Errorf("counts are %+v, want 30 odd or behind, and one line:\n%s", n, log.String())
				}
			})
		})
	}
}

// Lanes follow the naming side, and come only once all sides have them.
func TestLanesFollowTheNamingSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(-time.Hour) // synctest's present is long ago
		a, b := filledFrom(at, 3, time.Second), filledFrom(at, 3, time.Second)
		naming, other := a.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0", "lane-1"}}), give(b)
		r := read(t, open(t, naming, map[string]merge.Given{"b": other}, nil))
		r.during(time.Second)
		if want := []string{"+a=lane-0", "+a=lane-1"}; !slices.Equal(r.told, want) || len(r.take()) != 100 {
			t.Errorf("told %q, want %q and all records of both", r.told, want)
		}
		r.told = nil
		naming.Revoke(time.Time{}, "lane-0", "lane-1")
		r.during(time.Second)
		naming.Assign("lane-1", "lane-2")
		r.during(time.Second)
		if want := []string{"-a=lane-0", "-a=lane-1", "+a=lane-1", "+a=lane-2"}; !slices.Equal(r.told, want) || len(r.take()) != 50 {
			t.Errorf("told %q, want %q and the records of lane-2", r.told, want)
		}
		r.told = nil
		a.Append(1, 0, time.Now(), "more")
		other.Revoke(time.Time{}, "lane-1")
		other.Assign("lane-1")
		r.during(time.Second)
		if want := []string{"-a=lane-1", "+a=lane-1"}; !slices.Equal(r.told, want) {
			t.Errorf("told %q, want %q", r.told, want)
		}
		r.want("the lane goes on", "more")
	})
}

// A lane that comes back at once may be given to a side that has not let go of it yet.
func TestALaneComesBackBeforeTheOthersHaveLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(-time.Hour)
		a, b := filledFrom(at, 2, time.Second), filledFrom(at, 2, time.Second)
		naming := a.Source(nil)
		r := read(t, open(t, naming, map[string]merge.Given{"b": give(b)}, nil))
		for range 5 {
			naming.Revoke(time.Time{}, "lane-0", "lane-1")
			naming.Assign("lane-1", "lane-0")
		}
		r.during(time.Minute)
		if err := sorted(r.got); err != nil || len(r.got) != 100 {
			t.Errorf("%d records came, %v; want 100, sorted", len(r.got), err)
		}
		has := map[string]int{}
		for _, s := range r.told {
			has[s[1:]] += map[byte]int{'+': 1, '-': -1}[s[0]]
		}
		if has["a=lane-0"] != 1 || has["a=lane-1"] != 1 {
			t.Errorf("told %q, want both lanes to be there in the end", r.told)
		}
	})
}

func TestSidesThatDoNotFitAreRefused(t *testing.T) {
	for want, logs := range map[string][2]*streamtest.Log{
		`side "a" has 2 partitions and side "b" has 3`: {streamtest.NewLog(1, 1), streamtest.NewLog(1, 1, 1)},
		`side "a" has 1 partitions and side "b" has 0`: {streamtest.NewLog(1), streamtest.NewLog()},
	} {
		b := &closing{given: give(logs[1])}
		if _, err := merge.Open(t.Context(), "a", logs[0].Source(nil), map[string]merge.Given{"b": b}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want that %s", err, want)
		}
		if !b.closed {
			t.Error("a side was left open")
		}
	}
	log := streamtest.NewLog(1)
	for want, try := range map[string]func() error{
		"another name": func() error {
			_, err := merge.Open(t.Context(), "b", log.Source(nil), map[string]merge.Given{"b": give(log)}, nil)
			return err
		},
		"another side": func() error { _, err := merge.Open(t.Context(), "b", log.Source(nil), nil, nil); return err },
		"it is nil": func() error {
			_, err := merge.Open(t.Context(), "a", nil, map[string]merge.Given{"b": give(log)}, nil)
			return err
		},
		"end or split": func() error {
			_, err := merge.Open(t.Context(), "a", &closing{given: give(log), info: driver.SourceInfo{LanesEnd: true}}, map[string]merge.Given{"b": give(log)}, nil)
			return err
		},
		"Patience is negative": func() error {
			_, err := merge.Open(t.Context(), "a", log.Source(nil), map[string]merge.Given{"b": give(log)}, &merge.Options{Patience: -1})
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %q", err, want)
		}
	}
}

// closing says whether it was closed.
type closing struct {
	*given
	info   driver.SourceInfo
	closed bool
}

func (c *closing) Info() driver.SourceInfo { return c.info }
func (c *closing) Close() error            { c.closed = true; return nil }

// No hour may close while partitions that nobody reads have been added to one side.
func TestPartitionsAddedToOneSideAreNoticed(t *testing.T) {
	a, b := streamtest.NewLog(1), streamtest.NewLog(1)
	more := &listing{given: give(b)}
	s := open(t, a.Source(nil), map[string]merge.Given{"b": more}, nil)
	defer s.Close()
	if list, err := s.Partitions(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("got %v, %v; want both", list, err)
	}
	more.extra = 1
	if list, err := s.Partitions(t.Context()); err == nil || !strings.Contains(err.Error(), `side "a" has 1 partitions and side "b" has 2`) {
		t.Errorf("got %v, %v; want an error with both counts", list, err)
	}
}

// listing is a side that gets partitions.
type listing struct {
	*given
	extra int
}

func (l *listing) Partitions(ctx context.Context) ([]record.Partition, error) {
	list, err := l.given.Partitions(ctx)
	for i := range l.extra {
		p := list[0]
		p.ID = fmt.Sprint(100 + i)
		list = append(list, p)
	}
	return list, err
}

// What is ahead waits in its log.
func TestASideThatIsAheadIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamtest.NewLog(1), streamtest.NewLog(1)
		b.OpenTransaction(0, 0, true)
		big := strings.Repeat("x", 1000)
		for i := range 1000 {
			a.Append(0, 0, now(i, time.Millisecond), big)
		}
		naming := a.Source(&streamtest.SourceOptions{Batch: 10})
		r := read(t, open(t, naming, map[string]merge.Given{"b": give(b)}, &merge.Options{Buffer: 200 << 10}))
		r.during(time.Minute)
		// 100 KiB for each side, and two batches of 10.
		if n := naming.Released * 10; n < 80 || n > 120 {
			t.Errorf("%d records of 1,128 bytes were taken, want about 91", n)
		}
		for i := range 2000 {
			b.Append(0, 0, now(i, time.Millisecond), "y")
		}
		b.OpenTransaction(0, 0, false)
		r.during(time.Minute)
		if len(r.got) != 3000 {
			t.Errorf("%d records came, want all 3,000", len(r.got))
		}
		if err := sorted(r.got); err != nil {
			t.Error(err)
		}
	})
}

// A record without a time that is of use is not lost, and keeps its place.
func TestTimesThatCannotBeToldGoAtOnce(t *testing.T) {
	a, b := streamtest.NewLog(1), streamtest.NewLog(1)
	a.Append(0, 0, t0, "0", "panic", "none", "1")
	b.Append(0, 0, t0, "0", "2")
	a.EndAll()
	b.EndAll()
	at := func(r *record.Record) time.Time {
		switch string(r.Value) {
		case "panic":
			panic(errors.New("no JSON"))
		case "none":
			return time.Time{}
		}
		return t0.Add(time.Duration(r.Value[0]) * time.Second)
	}
	r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": give(b)}, &merge.Options{Time: at}))
	r.toEnd()
	r.want("all, by the time of the function", "0", "panic", "none", "0", "1", "2")
	if n := r.src.Counts()["a"]; n != (merge.Counts{Records: 4, Odd: 2}) {
		t.Errorf("counts are %+v, want 2 odd of 4", n)
	}
}

// tight is a side that reads on only once all that it has delivered was given back, as one does whose memory is full.
type tight struct {
	*given
	mu   sync.Mutex
	out  int
	back chan struct{}
}

func (s *tight) Poll(ctx context.Context) (*driver.Batch, error) {
	for {
		s.mu.Lock()
		out := s.out
		s.mu.Unlock()
		if out == 0 {
			break
		}
		select {
		case <-s.back:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b, err := s.given.Poll(ctx)
	if err == nil && b.Lane != "" {
		s.mu.Lock()
		s.out++
		s.mu.Unlock()
		done := b.Done
		b.Done = func() {
			done()
			s.mu.Lock()
			s.out--
			s.mu.Unlock()
			select {
			case s.back <- struct{}{}:
			default:
			}
		}
	}
	return b, err
}

// What waits in one lane once kept a side from reading what another lane waited for, and that lane had the memory of the other side.
func TestWhatWaitsTakesNoMemoryOfTheSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamtest.NewLog(1, 1), streamtest.NewLog(1, 1)
		at := time.Now().Add(-time.Hour)
		for lane, ahead := range []time.Duration{time.Minute, -time.Minute} {
			for i := range 60 {
				a.Append(lane, 0, at.Add(time.Duration(i)*time.Second), fmt.Sprint(i))
				b.Append(lane, 0, at.Add(time.Duration(i)*time.Second+ahead), fmt.Sprint(i))
			}
		}
		naming := &tight{given: give(a), back: make(chan struct{}, 1)}
		naming.Give([]string{"0.0", "1.0"})
		r := read(t, open(t, naming, map[string]merge.Given{"b": &tight{given: give(b), back: make(chan struct{}, 1)}}, nil))
		r.during(time.Minute)
		if err := sorted(r.got); err != nil || len(r.got) != 240 {
			t.Errorf("%d records came, %v; want 240, sorted", len(r.got), err)
		}
	})
}

// undated is a side whose records have other times than those at which they came, which it tells.
type undated struct {
	*given
	at time.Time
}

func (u *undated) Poll(ctx context.Context) (*driver.Batch, error) {
	b, err := u.given.Poll(ctx)
	if b != nil && len(b.Records) > 0 {
		b.Undated, b.Arrivals = true, []driver.Arrival{{Partition: *b.Records[0].Partition, At: u.at}}
	}
	return b, err
}

// A merge once dropped what its sides said of when records came, and let the records' times stand for it.
func TestWhatSidesSayOfArrivalsIsPassedOn(t *testing.T) {
	a, b := filled(1, time.Second), filled(1, 2*time.Second)
	a.EndAll()
	b.EndAll()
	at := t0.Add(-time.Hour)
	r := read(t, open(t, a.Source(nil), map[string]merge.Given{"b": &undated{give(b), at}}, nil))
	r.toEnd()
	last := map[record.Partition]time.Time{}
	for _, c := range r.got {
		last[*c.Partition] = c.Time
	}
	if len(last) != 2 {
		t.Fatalf("%d partitions were read, want 2", len(last))
	}
	n := 0
	for p, newest := range last {
		switch got := r.arrived[p]; {
		case got.Equal(at):
			n++
		case !got.Equal(newest):
			t.Errorf("all that came to %v until %s is read, its newest record came at %s", p, got, newest)
		}
	}
	if n != 1 {
		t.Errorf("of %d partitions the source's word is passed on, want 1", n)
	}
}
