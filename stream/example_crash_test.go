package stream_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// delayed is a stage with state: it passes on each event once event time is a minute past it.
type delayed struct{}

func (delayed) Traits() stage.Traits { return stage.Traits{Holds: true} }

func (delayed) Open(*stage.Lane) (stage.Processor[string, string], error) { return &delay{}, nil }

type delay struct{ waiting []stream.Event[string] }

func (d *delay) Process(_ context.Context, in []stream.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		out.Hold(e.Origin) // the position is committed as pending: a restart brings the record back
		d.waiting = append(d.waiting, e)
	}
	return nil
}

func (d *delay) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[string]) error {
	for len(d.waiting) > 0 && !d.waiting[0].Time.Add(time.Minute).After(eventTime) {
		out.Release(d.waiting[0].Origin)
		out.Emit(d.waiting[0])
		d.waiting = d.waiting[1:]
	}
	return nil
}

// A crash in the middle of a stage. Its state is gone; what it held comes back from the source.
func Example_crash() {
	l := streamtest.Open(&testing.T{}, stream.Stage[string, string](delayed{}))
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	l.Feed(at, "first")
	l.Feed(at.Add(30*time.Second), "second")
	fmt.Println("pending:", l.Pending())
	l.Crash()
	fmt.Println("pending after the crash:", l.Pending())
	fmt.Println("after a minute:", l.Advance(at.Add(time.Minute)))
	l.Crash()
	fmt.Println("after two:", l.Advance(at.Add(2*time.Minute)))
	// Output:
	// pending: 2
	// pending after the crash: 2
	// after a minute: [first]
	// after two: [second]
}
