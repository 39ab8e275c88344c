package join_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type Hit struct {
	ID, Session, Kind string
	TimeOnPage        int
}

func (h *Hit) SessionKey() string { return h.Session }
func (h *Hit) IsLoad() bool       { return h.Kind == "load" }
func (h *Hit) Merge(beat *Hit)    { h.TimeOnPage = beat.TimeOnPage }

// A page load waits for its beat. The process dies in between; the load is read again, and meets the beat. The load of
// another session gets none and leaves alone, 90 seconds of event time and 10 of grace later.
func ExampleLeft() {
	var t testing.T // a test has its own
	midnight := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)

	l := streamtest.Open(&t, join.Left((*Hit).SessionKey, (*Hit).IsLoad, (*Hit).Merge, nil))
	l.Feed(midnight, Hit{ID: "1", Session: "a", Kind: "load"})
	l.Feed(midnight, Hit{ID: "2", Session: "b", Kind: "load"})
	l.Crash()
	fmt.Println("beat:", l.Feed(midnight.Add(85*time.Second), Hit{ID: "3", Session: "a", Kind: "beat", TimeOnPage: 85}))
	fmt.Println("100 s:", l.Advance(midnight.Add(100*time.Second)))
	fmt.Println("101 s:", l.Advance(midnight.Add(101*time.Second)))
	fmt.Println("pending:", l.Pending(), "merged:", l.Fates()[stream.Merged])
	// Output:
	// beat: [{1 a load 85}]
	// 100 s: []
	// 101 s: [{2 b load 0}]
	// pending: 0 merged: 1
}
