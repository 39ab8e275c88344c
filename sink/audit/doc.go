// Package audit answers whether everything that was accepted has arrived, and sends again what has not.
//
// # Promise
//
// A [Batcher] packs accepted events into batches. Each batch has an [ID] that sorts by time, and its lines have numbers. The
// Batcher keeps the batch as an object in a store, registers it, and only then tells its caller that the events are
// accepted. After that it sends them to the source. If a process dies anywhere between these steps, then either nobody was
// told that the events are accepted, or the batch can be found and sent again.
//
// The stage [Count] notes which lines a job has read, in the transaction in which it reads them. So a line is noted exactly
// if it counts as read, whatever crashes. [Check] compares what is registered with what is noted, and [Run] sends lines that
// are missing again until they have come. Lines that come twice are for a stage of package dedup.
//
// # Way in
//
// Producers use [OpenBatcher] with a [Registry], such as [Objects], and a [Sender]. Jobs have Count directly behind their
// source. One process or more call Run. Package audittest checks other registries. docs/audit.md says what the words of a
// [Report] mean, and what to alarm on.
//
// # Limits
//
// A batch is as safe as the store and the registry are. Whoever deletes batches sooner than they are repaired loses them.
package audit
