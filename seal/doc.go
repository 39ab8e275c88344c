// Package seal says when an hour of output is complete, and never changes its mind.
//
// # Guarantee
//
// The folder of each flow gets a seal object once every partition of the source has passed the end of the hour by the
// lateness, no stage holds anything of the hour, and all of its files are visible. After that nothing is added to the hour:
// what comes later goes to the late flow. Hours are sealed in order, empty ones too, and each once, however many instances
// run and crash.
//
// # Clocks
//
// Event time decides, but not alone. A partition whose log is proved to end has passed all hours until now, by the store's
// clock; so hours close though nothing comes. For events of long ago set stream.Options.Backfill: then such a proof only
// confirms what was read. No hour closes before the store's clock has passed its end by the lateness. A machine's clock
// decides nothing.
//
// # Way in
//
// Wrap the sink: stream.Run(ctx, pipe, seal.Hourly(out, nil), nil). Consumers wait for the seal objects, or use [Wait] and
// [Read]. [Explain] says what an hour waits for.
package seal
