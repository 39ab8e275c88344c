package stage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// lastOf passes on the last event of each minute. It holds the one that may be it.
type lastOf struct{}

func (lastOf) Traits() stage.Traits { return stage.Traits{Name: "last of a minute", Holds: true} }

func (lastOf) Open(*stage.Lane) (stage.Processor[string, string], error) { return new(last), nil }

type last struct{ pending []record.Event[string] } // at most one

func (l *last) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		if len(l.pending) > 0 && e.Time.Truncate(time.Minute).Equal(l.pending[0].Time.Truncate(time.Minute)) {
			out.Release(l.pending[0].Origin)
			out.Drop(l.pending[0].Origin, record.Filtered, "not the last")
			l.pending = l.pending[:0]
		}
		l.flush(out)
		out.Hold(e.Origin)
		l.pending = append(l.pending, e)
	}
	return nil
}

// Advance is called when event time moves on: the minute is over.
func (l *last) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[string]) error {
	if len(l.pending) > 0 && !l.pending[0].Time.Truncate(time.Minute).Add(time.Minute).After(eventTime) {
		l.flush(out)
	}
	return nil
}

func (l *last) flush(out *stage.Emitter[string]) {
	for _, e := range l.pending {
		out.Release(e.Origin)
		out.Emit(e)
	}
	l.pending = l.pending[:0]
}

// A stage with state, which comes back after a crash by what it holds.
func Example() {
	l := streamtest.Open(&testing.T{}, stage.Stage[string, string](lastOf{}))
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	l.Feed(at, "a")
	l.Feed(at.Add(20*time.Second), "b")
	l.Crash()
	fmt.Println("pending after a crash:", l.Pending())
	fmt.Println("when the minute is over:", l.Advance(at.Add(time.Minute)))
	fmt.Println("reasons:", l.Reasons())
	// Output:
	// pending after a crash: 1
	// when the minute is over: [b]
	// reasons: map[not the last:1]
}
