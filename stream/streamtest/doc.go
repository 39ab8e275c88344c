// Package streamtest tests stages, sources and whole pipes alone: no server, no store, no sleep.
//
//   - [Open] drives one stage: feed events, move event time, crash it, see what came out. It checks what a
//     [stage.Processor] must keep to.
//   - [Source] is a scripted source for tests of pipes; [Output] is an output in memory that commits, fences and
//     forgets as the real one does.
//   - [RunSource] is the conformance suite of a source.
//
// No production code may import it.
package streamtest
