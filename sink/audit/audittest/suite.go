package audittest

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// handles are two handles on one registry, as two processes have.
type handles [2]audit.Registry

// Run checks a registry. open makes one that is empty, and returns what opens a handle on it.
func Run(t *testing.T, open func(t *testing.T) func() audit.Registry) {
	for name, test := range map[string]func(*testing.T, handles){
		"RegisterIsIdempotent":        testRegisterIsIdempotent,
		"OtherNumbersAreKeptBeside":   testOtherNumbersAreKeptBeside,
		"ListIsOrderedByTime":         testListIsOrderedByTime,
		"ListHasTheWindowAndNoMore":   testListHasTheWindowAndNoMore,
		"ListHasAllPages":             testListHasAllPages,
		"ListMayBeLeft":               testListMayBeLeft,
		"ManyRegisterAtOnce":          testManyRegisterAtOnce,
		"WhatExpiresIsOldEnough":      testWhatExpiresIsOldEnough,
		"AnEndedContextIsTheirsToSay": testAnEndedContextIsTheirsToSay,
		"AListingIsOfItsTime":         testAListingIsOfItsTime,
		"WhatIsNotRefusedIsListed":    testWhatIsNotRefusedIsListed,
		"WhatNoBatchCanHaveIsRefused": testWhatNoBatchCanHaveIsRefused,
	} {
		t.Run(name, func(t *testing.T) {
			handle := open(t)
			test(t, handles{handle(), handle()})
		})
	}
}

// start is in the middle of an hour, so that windows begin in one and end in another.
var start = time.Date(2025, 5, 1, 6, 30, 0, 0, time.UTC)

func registration(at time.Time, lines int) audit.Registration {
	return audit.Registration{ID: audit.NewID(at), Lines: lines, Bytes: int64(lines) * 500, Oldest: at.Add(-time.Minute)}
}

// register registers with each handle in turn.
func register(t *testing.T, g handles, all ...audit.Registration) {
	t.Helper()
	for i, r := range all {
		if err := g[i%2].Register(t.Context(), r); err != nil {
			t.Fatalf("Register(%v): %v", r, err)
		}
	}
}

// list lists with both handles, which must see the same.
func list(t *testing.T, g handles, from, to time.Time) []audit.Registration {
	t.Helper()
	var seen [2][]audit.Registration
	for i := range g {
		for r, err := range g[i].List(t.Context(), from, to) {
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			seen[i] = append(seen[i], r)
		}
	}
	if !slices.EqualFunc(seen[0], seen[1], same) {
		t.Fatalf("one handle lists %d batches, another %d, or others", len(seen[0]), len(seen[1]))
	}
	return seen[0]
}

func same(a, b audit.Registration) bool { return a.Compare(&b) == 0 }

func check(t *testing.T, what string, got, want []audit.Registration) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%s: listed %v, want %v", what, got, want)
	}
}

// Contract: to register the same again changes nothing.
func testRegisterIsIdempotent(t *testing.T, g handles) {
	r := registration(start, 10)
	register(t, g, r, r)
	check(t, "registered twice", list(t, g, start, start.Add(time.Second)), []audit.Registration{r})
}

// Contract: an ID that is registered again with other numbers is listed with both.
func testOtherNumbersAreKeptBeside(t *testing.T, g handles) {
	one := registration(start, 10)
	two, three := one, one
	two.Lines, three.Bytes = 11, one.Bytes+1
	register(t, g, one, two, three, one)
	got := list(t, g, start, start.Add(time.Second))
	slices.SortFunc(got, func(a, b audit.Registration) int { return a.Compare(&b) })
	check(t, "one ID with other numbers", got, []audit.Registration{one, three, two})
}

// Contract: a listing is in the order of IDs, whatever the order of registrations.
func testListIsOrderedByTime(t *testing.T, g handles) {
	var all []audit.Registration
	for i := range 20 {
		all = append(all, registration(start.Add(time.Duration(i*7%20)*20*time.Minute), i+1))
	}
	register(t, g, all...)
	slices.SortFunc(all, func(a, b audit.Registration) int { return a.Compare(&b) })
	check(t, "20 batches of seven hours", list(t, g, start, start.Add(7*time.Hour)), all)
}

// Contract: a window has its first millisecond and not the one at its end.
func testListHasTheWindowAndNoMore(t *testing.T, g handles) {
	var all []audit.Registration
	for _, at := range []time.Duration{-time.Hour, -time.Millisecond, 0, time.Millisecond, time.Hour - time.Millisecond, time.Hour, 25 * time.Hour} {
		all = append(all, registration(start.Add(at), 1))
	}
	register(t, g, all...)
	check(t, "an hour", list(t, g, start, start.Add(time.Hour)), all[2:5])
	check(t, "nothing", list(t, g, start, start), nil)
	check(t, "a window that is empty", list(t, g, start.Add(2*time.Hour), start.Add(24*time.Hour)), nil)
}

// Contract: a listing has all that Register has returned for, also more than a server answers at once.
func testListHasAllPages(t *testing.T, g handles) {
	var all []audit.Registration
	for i := range 2_500 {
		all = append(all, registration(start.Add(time.Duration(i)*time.Second), 1+i%1000))
	}
	var group sync.WaitGroup
	for part := range slices.Chunk(all, 100) {
		group.Go(func() {
			for _, r := range part {
				if err := g[0].Register(t.Context(), r); err != nil {
					t.Errorf("Register: %v", err)
					return
				}
			}
		})
	}
	group.Wait()
	got := list(t, g, start, start.Add(2_500*time.Second))
	if !slices.EqualFunc(got, all, same) {
		t.Errorf("%d of %d batches are listed, or not in order", len(got), len(all))
	}
}

// Contract: who lists may stop at any registration, and list again.
func testListMayBeLeft(t *testing.T, g handles) {
	all := []audit.Registration{registration(start, 1), registration(start.Add(time.Second), 2)}
	register(t, g, all...)
	for range 3 {
		for r, err := range g[0].List(t.Context(), start, start.Add(time.Minute)) {
			if err != nil || !same(r, all[0]) {
				t.Errorf("the first is %v, %v, want %v", r, err, all[0])
			}
			break
		}
	}
	check(t, "after that", list(t, g, start, start.Add(time.Minute)), all)
}

// Contract: of one registration made by many at once there is one.
func testManyRegisterAtOnce(t *testing.T, g handles) {
	r := registration(start, 10)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := g[i%2].Register(t.Context(), r); err != nil {
				t.Errorf("Register: %v", err)
			}
		})
	}
	group.Wait()
	check(t, "registered by eight", list(t, g, start, start.Add(time.Second)), []audit.Registration{r})
}

// Contract: nothing goes that is not older, and what is not deleted is listed as before.
func testWhatExpiresIsOldEnough(t *testing.T, g handles) {
	var all []audit.Registration
	for _, at := range []time.Duration{-48 * time.Hour, -time.Millisecond, 0, time.Hour} {
		all = append(all, registration(start.Add(at), 1))
	}
	register(t, g, all...)
	err := g[0].Expire(t.Context(), start)
	got := list(t, g, start.Add(-72*time.Hour), start.Add(72*time.Hour))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		check(t, "a registry that cannot delete", got, all)
	case err != nil:
		t.Errorf("Expire: %v", err)
	default: // it may take its time
		check(t, "what has not expired", got[max(0, len(got)-2):], all[2:])
	}
}

// Contract: if the context has ended the error says so.
func testAnEndedContextIsTheirsToSay(t *testing.T, g handles) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g[0].Register(ctx, registration(start, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Register: %v, want the context's error", err)
	}
	said := false
	for _, err := range g[0].List(ctx, start, start.Add(time.Hour)) {
		if said = true; !errors.Is(err, context.Canceled) {
			t.Errorf("List: %v, want the context's error", err)
		}
	}
	if !said {
		t.Error("List: no error, want the context's")
	}
}

// Contract: a listing has what was registered before it, by whichever handle, also if the same window was listed earlier.
func testAListingIsOfItsTime(t *testing.T, g handles) {
	var all []audit.Registration
	for i := range 4 {
		check(t, "before the next one", list(t, g, start, start.Add(time.Hour)), all)
		r := registration(start.Add(time.Duration(i)*time.Second), 1)
		if err := g[i%2].Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	check(t, "in the end", list(t, g, start, start.Add(time.Hour)), all)
}

// Contract: what Registration.Check finds wrong is refused, and trying again is in vain.
func testWhatNoBatchCanHaveIsRefused(t *testing.T, g handles) {
	right := registration(start, 1)
	for what, r := range map[string]audit.Registration{
		"no lines":       {ID: right.ID, Lines: 0, Bytes: 1, Oldest: right.Oldest},
		"too many lines": {ID: right.ID, Lines: audit.MaxLines + 1, Bytes: 1, Oldest: right.Oldest},
		"too many bytes": {ID: right.ID, Lines: 1, Bytes: audit.MaxBytes + 1, Oldest: right.Oldest},
		"no oldest time": {ID: right.ID, Lines: 1, Bytes: 1},
	} {
		if err := g[0].Register(t.Context(), r); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v, want an error that matches fs.ErrInvalid", what, err)
		}
	}
	check(t, "nothing was right", list(t, g, start, start.Add(time.Hour)), nil)
}

// Contract: what is registered is listed with the same numbers, to the millisecond; all else is refused. A batch of 2^62
// bytes was once registered and never listed.
func testWhatIsNotRefusedIsListed(t *testing.T, g handles) {
	whole := []int64{math.MinInt64, math.MinInt64 + 1, -1 << 62, -1, 0, 1, audit.MaxLines, audit.MaxLines + 1, audit.MaxBytes, audit.MaxBytes + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<62 - 1, 1 << 62, math.MaxInt64 - 1, math.MaxInt64}
	all := []audit.Registration{registration(start, 1)}
	all[0].ID = audit.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} // of the year 10889
	add := func(change func(r *audit.Registration)) {
		r := registration(start.Add(time.Duration(len(all))*time.Second), 1)
		change(&r)
		all = append(all, r)
	}
	for _, n := range whole {
		add(func(r *audit.Registration) { r.Lines = int(n) })
		add(func(r *audit.Registration) { r.Bytes = n })
		add(func(r *audit.Registration) { r.Oldest = time.UnixMilli(n).UTC() })
		add(func(r *audit.Registration) { r.Oldest = time.Unix(n, 0).UTC() })
	}
	for _, at := range []time.Time{{}, time.UnixMilli(-1), time.Date(9999, 12, 29, 23, 59, 59, 0, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		add(func(r *audit.Registration) { r.Oldest = at })
	}
	var want []audit.Registration
	for i, r := range all {
		switch err := g[i%2].Register(t.Context(), r); {
		case err == nil:
			want = append(want, r)
		case !errors.Is(err, fs.ErrInvalid):
			t.Errorf("%v: %v, want an error that matches fs.ErrInvalid", r, err)
		}
	}
	check(t, "what was not refused", list(t, g, start, start.Add(time.Hour)), want)
	if len(want) < 8 {
		t.Errorf("%d registrations were taken, want also those of small numbers", len(want))
	}
}
