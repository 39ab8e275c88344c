package deduptest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
)

// Contract: an ID belongs to the record that claimed it first, however the times are.
func testFirstWins(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	for _, c := range []struct {
		id   int
		at   time.Time
		by   int64
		want bool
	}{
		{1, at, 1, true}, {2, at, 2, true}, {1, at, 3, false}, {1, at.Add(20 * time.Hour), 4, false}, {1, at.Add(-time.Hour), 5, false},
	} {
		if got := h.claim(c.id, c.at, c.by); got != c.want {
			t.Errorf("ID %d by record %d: won %v, want %v", c.id, c.by, got, c.want)
		}
	}
}

// Contract: of several claims of one ID in one call the first wins.
func testBatchOrder(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	got := h.batch(claim(1, at, 1), claim(2, at, 2), claim(1, at, 3), claim(2, at, 4), claim(3, at, 5))
	if want := []bool{true, true, false, false, true}; !slices.Equal(got, want) {
		t.Errorf("won %v, want %v", got, want)
	}
	if got := h.batch(); len(got) != 0 {
		t.Errorf("an empty call won %v", got)
	}
}

// Contract: a record is never its own duplicate.
func testOwnClaim(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	for i := range 3 {
		if got := h.batch(claim(1, at, 1), claim(1, at, 2)); !slices.Equal(got, []bool{true, false}) {
			t.Errorf("time %d: won %v, want the first record's claim again", i, got)
		}
	}
}

// Contract: a forced claim wins, whoever holds the ID.
func testForce(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	got := h.batch(claim(1, at, 1), force(claim(1, at, 2)), force(claim(2, at, 3)), claim(2, at, 4))
	if want := []bool{true, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("won %v, want %v", got, want)
	}
}

// Contract: after a forced claim its record is the holder.
func testForceHolder(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	h.batch(claim(1, at, 1), force(claim(1, at, 2)))
	if got := h.batch(claim(1, at, 2), claim(1, at, 1)); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("won %v, want the ID with the record that took it", got)
	}
}

// Contract: claims of buckets that end at or before the time are forgotten, and no others.
func testExpire(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	for i := range 6 { // three buckets, at their beginning and shortly before their end
		h.claim(i, at.Add(time.Duration(i/2)*time.Hour+time.Duration(i%2)*59*time.Minute), int64(i))
	}
	check := func(when string, forgotten int) {
		t.Helper()
		for i := range 6 {
			// The claims made here are of the last bucket.
			if got := h.claim(i, at.Add(2*time.Hour), int64(100+i+10*forgotten)); got != (i < forgotten) {
				t.Errorf("%s: ID %d is free: %v, want %v", when, i, got, i < forgotten)
			}
		}
	}
	check("before", 0)
	h.expire(at.Add(2*time.Hour - time.Second))
	check("a second before the second bucket ends", 2)
	h.expire(at.Add(2 * time.Hour))
	for i, want := range []bool{false, false, true, true, false, false} { // 0 and 1 have been claimed again above
		if got := h.claim(i, at.Add(2*time.Hour), int64(200+i)); got != want {
			t.Errorf("after two buckets: ID %d is free: %v, want %v", i, got, want)
		}
	}
}

// Contract: times may lie as far apart as they like; then some are remembered for longer, none for less.
func testYears(t *testing.T, s *suite) {
	h, at, years := s.open(t, space("a")), start(), 400
	if !s.local {
		years = 20 // each is a call
	}
	for year := range years {
		if !h.claim(year, at.AddDate(-year, 0, 0), int64(year)) {
			t.Fatalf("ID %d is taken", year)
		}
	}
	h.expire(at.AddDate(1-years, 0, -1))
	for year := range years {
		if h.claim(year, at.AddDate(-year, 0, 0), int64(1000+year)) {
			t.Errorf("ID of year -%d is forgotten", year)
		}
	}
}

// Contract: a name is a table of its own.
func testNames(t *testing.T, s *suite) {
	a, b, at := s.open(t, space("a")), s.open(t, space("b")), start()
	if !a.claim(1, at, 1) || !b.claim(1, at, 2) || a.claim(1, at, 3) || b.claim(1, at, 4) {
		t.Error("tables of two names share an ID, or do not keep it")
	}
}

// Contract: opening a local table empties it, also while an older handle is still open.
func testOpenEmpty(t *testing.T, s *suite) {
	old, at := s.open(t, space("a")), start()
	old.claim(1, at, 1)
	h := s.open(t, space("a"))
	if !h.claim(1, at, 1) {
		t.Error("a record met its own claim of before the table was opened again")
	}
	old.claim(2, at, 2)
	old.close()
	if !h.claim(2, at, 3) {
		t.Error("a claim of the old handle is in the new one")
	}
	if h.claim(1, at, 4) {
		t.Error("closing the old handle emptied the new one")
	}
}

// Contract: a lane is a local table of its own.
func testLanes(t *testing.T, s *suite) {
	sp := space("a")
	a := s.open(t, sp)
	sp.Lane = "lane/1"
	b, at := s.open(t, sp), start()
	a.claim(1, at, 1)
	if !b.claim(1, at, 2) || a.claim(1, at, 3) {
		t.Error("tables of two lanes share an ID, or do not keep it")
	}
}

// Contract: of the copies of an ID the newest event time stays. With the oldest, the ID of a copy that was written could
// be forgotten within its window, and be written twice.
func testRefill(t *testing.T, s *suite) {
	h, at := s.open(t, space("a")), start()
	got := h.refill(claim(1, at, 1), claim(2, at.Add(3*time.Hour), 2))
	got = append(got, h.refill(claim(1, at.Add(3*time.Hour), 3), claim(2, at, 4))...)
	if want := []bool{true, true, false, false}; !slices.Equal(got, want) {
		t.Errorf("won %v, want %v", got, want)
	}
	h.expire(at.Add(2 * time.Hour))
	if got := h.batch(claim(1, at.Add(4*time.Hour), 5), claim(2, at.Add(4*time.Hour), 6)); got[0] || got[1] {
		t.Errorf("won %v, want both IDs kept", got)
	}
	if got := h.batch(force(claim(1, at, 7))); !got[0] {
		t.Error("a pending record that is read again lost its ID")
	}
	h.expire(at.Add(3 * time.Hour))
	if h.claim(1, at.Add(4*time.Hour), 8) {
		t.Error("a forced claim moved the time of the ID back")
	}
}

// Contract: what is claimed through one handle is claimed for all, also after it is closed.
func testHandles(t *testing.T, s *suite) {
	a, at := s.open(t, space("a")), start()
	sp := space("a")
	sp.Lane = "lane/1"
	b := s.open(t, sp)
	a.claim(1, at, 1)
	b.claim(2, at, 2)
	if b.claim(1, at, 3) || a.claim(2, at, 4) {
		t.Error("a handle does not see the claim of another")
	}
	a.close()
	if c := s.open(t, space("a")); c.claim(1, at, 5) || !c.claim(1, at, 1) {
		t.Error("a claim went with the handle, or its holder was forgotten")
	}
}

// Contract: of concurrent claims of one ID exactly one wins.
func testRace(t *testing.T, s *suite) {
	const handles, ids = 6, 300
	at := start()
	var mu sync.Mutex
	winners := make([]int, ids)
	var wg sync.WaitGroup
	for n := range handles {
		h := s.open(t, space("a"))
		wg.Go(func() {
			var c []dedup.Claim
			for i := range ids {
				c = append(c, claim((i*7+n*31)%ids, at, int64(n*ids+i)))
			}
			won := make([]bool, len(c))
			if err := h.Claim(t.Context(), c, won); err != nil {
				t.Errorf("Claim: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range ids {
				if won[i] {
					winners[(i*7+n*31)%ids]++
				}
			}
		})
	}
	wg.Wait()
	for id, n := range winners {
		if n != 1 {
			t.Errorf("ID %d was won %d times", id, n)
		}
	}
}

// Contract: a handle whose clock is behind forgets no more than its own clock allows, and takes nothing back.
func testOldClock(t *testing.T, s *suite) {
	a, b, at := s.open(t, space("a")), s.open(t, space("a")), start()
	a.claim(1, at, 1)
	a.claim(2, at.Add(5*time.Hour), 2)
	a.expire(at.Add(4 * time.Hour))
	b.expire(at.Add(time.Minute))
	if b.claim(2, at.Add(5*time.Hour), 3) {
		t.Error("a claim within the window is forgotten")
	}
	if !a.claim(1, at.Add(5*time.Hour), 4) {
		t.Error("a claim that the newer clock let go is still there")
	}
}

// Contract: a shared table goes on when the window changes, and with it the length of the buckets: what was claimed under
// the old one is forgotten no earlier than under the new one.
func testWindowChanges(t *testing.T, s *suite) {
	for name, lengths := range map[string][2]time.Duration{"finer": {time.Hour, 10 * time.Minute}, "coarser": {10 * time.Minute, time.Hour}} {
		before, after, at := space(name), space(name), start()
		before.Bucket, after.Bucket = lengths[0], lengths[1]
		h := s.open(t, before)
		for i := range 12 {
			h.claim(i, at.Add(time.Duration(i)*10*time.Minute), int64(i))
		}
		h.close()
		h = s.open(t, after)
		h.expire(at.Add(time.Hour))
		for i := range 12 {
			if got := h.claim(i, at.Add(2*time.Hour), int64(100+i)); got != (i < 6) {
				t.Errorf("%s buckets: ID %d, whose time is %d minutes after the clock, is free: %v", name, i, 10*i-60, got)
			}
		}
	}
}
