// Package seal says when an hour of output is complete, and never changes its mind.
//
// # Guarantee
//
// A seal object appears in the folder of each flow once every partition of the source has passed the end of the hour by
// the lateness, nothing of the hour is held by a stage, and all of its files are visible. After that nothing is added to
// the hour: what comes later goes to the late flow. Hours are sealed in order, empty ones too, and each once, however
// many instances run and crash.
//
// # Clocks
//
// Event time decides, but not alone. A partition whose log is proved to end has passed all hours until now, by the store's
// clock; so hours close though nothing comes. For events of long ago set stream.Options.Backfill, with which such a proof
// confirms what was read and no more. No hour closes before the store's clock has passed its end by the lateness. The clock
// of a machine has no part in it.
//
// # Way in
//
// Wrap the sink: stream.Run(ctx, pipe, seal.Hourly(out, nil), nil). Consumers wait for the seal objects, or use [Wait]
// and [Read]. [Explain] says what an hour waits for.
package seal
