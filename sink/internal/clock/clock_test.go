package clock_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/clock"
)

// told is a store of which only the clock is used.
type told struct {
	driver.Store
	at time.Time
}

func (s *told) Now(context.Context) (time.Time, error) { return s.at, nil }

func TestADoubtedClockIsTheEarlierOneUntilItIsBack(t *testing.T) {
	noon := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	var since time.Duration
	e := env.Default()
	e.Mono, e.Wall = func() time.Duration { return since }, func() time.Time { return noon.Add(since) }
	store := &told{at: noon}
	c := clock.New(store, e)
	read := func() time.Time {
		t.Helper()
		now, err := c.Now(t.Context(), slog.New(slog.DiscardHandler), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	if now := read(); !now.Equal(noon) || c.Doubt() != nil {
		t.Errorf("it is %s, doubt %v, want noon", now, c.Doubt())
	}
	since = time.Second
	store.at = noon.Add(24 * time.Hour)
	if now := read(); now.After(noon.Add(time.Minute)) || c.Doubt() == nil || c.Latest().Before(store.at) {
		t.Errorf("a day ahead: it is %s, at the latest %s, doubt %v", now, c.Latest(), c.Doubt())
	}
	since = 2 * time.Second
	store.at = noon.Add(since)
	if now := read(); !now.Equal(store.at) || c.Doubt() != nil {
		t.Errorf("it is back: it is %s, doubt %v", now, c.Doubt())
	}
}
