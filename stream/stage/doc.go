// Package stage is for authors of stages: what a [Stage] is, what its [Processor] must do, and what it may ask of the
// engine.
//
// # Promise
//
// A record is finished when its batch has passed all stages and no stage holds it. Until then it is read again after a
// crash. Nothing of a stage is ever saved. So a stage that keeps events must hold their origins, with [Emitter.Hold], and
// rebuild its state from the events that it holds. One goroutine at a time calls the processors of a lane.
//
// # Way in
//
// Implement [Stage] and [Processor]. Of the optional interfaces implement what the stage needs: [Advancer] for what event
// time decides, [Warmer] for state that depends on finished records, [ClockWatcher] for state that is shared with other
// lanes. Test it with streamtest. Package stream has the simple ones: Map, Filter, FlatMap, Decode.
//
// # Limits
//
// A stage sees one [Lane]. Its side effects outside the output happen at least once.
package stage
