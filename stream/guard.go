package stream

import (
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// guard is the state of guarded.
type guard struct {
	at   int  // index of the event that is worked on
	open bool // a panic ends the process: the function that is called could be under Recover
}

// guarded calls run until run has processed all of in. run starts at g.at and advances it. A panic makes a dead letter of
// the record of the event at g.at and takes back its events; then run is called again for the events after it. There is one
// deferred call for a batch, not one for each event.
func guarded[In, Out any](g *guard, in []record.Event[In], out *stage.Emitter[Out], run func()) {
	for g.at < len(in) {
		guardedRun(g, in, out, run)
	}
}

func guardedRun[In, Out any](g *guard, in []record.Event[In], out *stage.Emitter[Out], run func()) {
	defer func() {
		if g.open || g.at == len(in) {
			return
		}
		if v := recover(); v != nil {
			out.Reject(in[g.at].Origin, record.Caught(v))
			g.at++
		}
	}()
	run()
}
