package audittest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// Run checks a registry. open makes one that is empty.
func Run(t *testing.T, open func(t *testing.T) audit.Registry) {
	for name, test := range map[string]func(*testing.T, audit.Registry){
		"RegisterIsIdempotent":        testRegisterIsIdempotent,
		"OtherNumbersAreKeptBeside":   testOtherNumbersAreKeptBeside,
		"ListIsOrderedByTime":         testListIsOrderedByTime,
		"ListHasTheWindowAndNoMore":   testListHasTheWindowAndNoMore,
		"ListHasAllPages":             testListHasAllPages,
		"ListMayBeLeft":               testListMayBeLeft,
		"ManyRegisterAtOnce":          testManyRegisterAtOnce,
		"WhatExpiresIsOldEnough":      testWhatExpiresIsOldEnough,
		"AnEndedContextIsTheirsToSay": testAnEndedContextIsTheirsToSay,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// start is in the middle of an hour, so that windows begin in one and end in another.
var start = time.Date(2025, 5, 1, 6, 30, 0, 0, time.UTC)

func registration(at time.Time, lines int) audit.Registration {
	return audit.Registration{ID: audit.NewID(at), Lines: lines, Bytes: int64(lines) * 500, Oldest: at.Add(-time.Minute)}
}

func register(t *testing.T, g audit.Registry, all ...audit.Registration) {
	t.Helper()
	for _, r := range all {
		if err := g.Register(t.Context(), r); err != nil {
			t.Fatalf("Register(%v): %v", r, err)
		}
	}
}

func list(t *testing.T, g audit.Registry, from, to time.Time) []audit.Registration {
	t.Helper()
	var all []audit.Registration
	for r, err := range g.List(t.Context(), from, to) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		all = append(all, r)
	}
	return all
}

func same(a, b audit.Registration) bool { return a.Compare(&b) == 0 }

func check(t *testing.T, what string, got, want []audit.Registration) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%s: listed %v, want %v", what, got, want)
	}
}

// Contract: to register the same again changes nothing.
func testRegisterIsIdempotent(t *testing.T, g audit.Registry) {
	r := registration(start, 10)
	register(t, g, r, r)
	check(t, "registered twice", list(t, g, start, start.Add(time.Second)), []audit.Registration{r})
}

// Contract: an ID that is registered again with other numbers is listed with both.
func testOtherNumbersAreKeptBeside(t *testing.T, g audit.Registry) {
	one := registration(start, 10)
	two, three := one, one
	two.Lines, three.Bytes = 11, one.Bytes+1
	register(t, g, one, two, three, one)
	got := list(t, g, start, start.Add(time.Second))
	slices.SortFunc(got, func(a, b audit.Registration) int { return a.Compare(&b) })
	check(t, "one ID with other numbers", got, []audit.Registration{one, three, two})
}

// Contract: a listing is in the order of IDs, whatever the order of registrations.
func testListIsOrderedByTime(t *testing.T, g audit.Registry) {
	var all []audit.Registration
	for i := range 20 {
		all = append(all, registration(start.Add(time.Duration(i*7%20)*20*time.Minute), i+1))
	}
	register(t, g, all...)
	slices.SortFunc(all, func(a, b audit.Registration) int { return a.Compare(&b) })
	check(t, "20 batches of seven hours", list(t, g, start, start.Add(7*time.Hour)), all)
}

// Contract: a window has its first millisecond and not the one at its end.
func testListHasTheWindowAndNoMore(t *testing.T, g audit.Registry) {
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
func testListHasAllPages(t *testing.T, g audit.Registry) {
	var all []audit.Registration
	for i := range 2_500 {
		all = append(all, registration(start.Add(time.Duration(i)*time.Second), 1+i%1000))
	}
	var group sync.WaitGroup
	for part := range slices.Chunk(all, 100) {
		group.Go(func() {
			for _, r := range part {
				if err := g.Register(t.Context(), r); err != nil {
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
func testListMayBeLeft(t *testing.T, g audit.Registry) {
	all := []audit.Registration{registration(start, 1), registration(start.Add(time.Second), 2)}
	register(t, g, all...)
	for range 3 {
		for r, err := range g.List(t.Context(), start, start.Add(time.Minute)) {
			if err != nil || !same(r, all[0]) {
				t.Errorf("the first is %v, %v, want %v", r, err, all[0])
			}
			break
		}
	}
	check(t, "after that", list(t, g, start, start.Add(time.Minute)), all)
}

// Contract: of one registration made by many at once there is one.
func testManyRegisterAtOnce(t *testing.T, g audit.Registry) {
	r := registration(start, 10)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := g.Register(t.Context(), r); err != nil {
				t.Errorf("Register: %v", err)
			}
		})
	}
	group.Wait()
	check(t, "registered by eight", list(t, g, start, start.Add(time.Second)), []audit.Registration{r})
}

// Contract: nothing goes that is not older, and what is not deleted is listed as before.
func testWhatExpiresIsOldEnough(t *testing.T, g audit.Registry) {
	var all []audit.Registration
	for _, at := range []time.Duration{-48 * time.Hour, -time.Millisecond, 0, time.Hour} {
		all = append(all, registration(start.Add(at), 1))
	}
	register(t, g, all...)
	err := g.Expire(t.Context(), start)
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
func testAnEndedContextIsTheirsToSay(t *testing.T, g audit.Registry) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Register(ctx, registration(start, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Register: %v, want the context's error", err)
	}
	for _, err := range g.List(ctx, start, start.Add(time.Hour)) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("List: %v, want the context's error", err)
		}
	}
}
