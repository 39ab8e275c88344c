// Package record has the data that passes through a job: a [Record] of a [Partition], at a [Position], the [Event] that it
// is decoded to, and its [Fate].
//
// # Promise
//
// Every record read has one fate, and the counts of fates add up to the records. An event keeps the [Origin] of its record
// from stage to stage. So the engine knows when all effects of a record are complete.
//
// # Way in
//
// Authors of jobs find these types in package stream, under the same names. Authors of stages, sources and outputs import
// this package in addition to stage or driver.
//
// # Limits
//
// The bytes of a record belong to its source and are valid only while its batch is processed: see [Record] and
// [Record.Clone]. An Origin is valid in its lane, and until its record is finished.
package record
