// Package guard keeps a panic of a user's function to the record that it was called for.
package guard

import (
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Guard is the state of Run. Its zero value is at the first event.
type Guard struct {
	At   int  // index of the event that is worked on
	Open bool // a panic ends the process: the function that is called could be under Recover
}

// Run calls work until it has processed all of in. work starts at g.At and advances it. A panic makes a dead letter of the
// record of the event at g.At and takes back its events; then work is called again for the events after it. There is one
// deferred call for a batch, not one for each event.
func Run[In, Out any](g *Guard, in []record.Event[In], out *stage.Emitter[Out], work func()) {
	for g.At < len(in) {
		once(g, in, out, work)
	}
}

func once[In, Out any](g *Guard, in []record.Event[In], out *stage.Emitter[Out], work func()) {
	defer func() {
		if g.Open || g.At == len(in) {
			return
		}
		if v := recover(); v != nil {
			out.Reject(in[g.At].Origin, record.Caught(v))
			g.At++
		}
	}()
	work()
}
