// Package stream reads records from a partitioned source, passes them through stages and hands them to an output, such that
// every record takes effect exactly once however often the process crashes.
//
// # Guarantee
//
// It holds if the [Source] replays the same records for the same positions and the [Output] commits atomically. A stage
// need not be deterministic. Side effects of a stage outside the Output happen at least once.
//
// # Way in
//
// [From] a source, [Via] stages, [Run] into an output of package sink. Package streamtest tests a stage alone. Package
// stage is for authors of stages, package driver for authors of sources and outputs. Package record has the data that
// passes through a job; users find it here under the same names.
//
// # Limits
//
// The log must keep records for longer than any stage holds them: a restart reads again from the oldest pending record.
// Partitions whose records meet in a stage must be in one lane.
package stream
