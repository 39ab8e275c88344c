package main

import (
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
)

// Truth is what must come out of the traffic, known from how it was made.
type Truth struct {
	Name     string    // of the traffic
	LastHour time.Time // the last hour with events

	Counts stream.Counts // records by fate; a straggler counts as written here, though it may end as late
	Rows   map[string]int64
	Pairs  int64 // loads that met their beat, bots' left out

	// Stragglers come after their hour: whether one is late depends on where commits cut, so only the sum is known.
	Stragglers int64
}

func (t *Truth) read() int64 { return t.Counts.Sum() }

// count notes what becomes of a hit that is neither broken nor a copy. seconds is what its beat says.
func (t *Truth) count(flows []sink.Flow[Hit], h *Hit, seconds float64) {
	if !h.isPerson() {
		t.Counts[stream.Filtered]++
		return
	}
	t.Counts[stream.Written]++
	h.Seconds = seconds
	if h.wasRead() {
		t.Pairs++
	}
	for _, f := range flows {
		if f.Where == nil || f.Where(h) {
			t.Rows[f.Name]++
		}
	}
}
