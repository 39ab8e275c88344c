// Package audit answers whether everything that was accepted has arrived, and sends again what has not.
//
// # Promise
//
// A [Batcher] packs accepted events into batches. Each batch has an [ID] that sorts by time, and its lines have numbers. The
// Batcher keeps the batch as an object in a store, registers it, and only then tells its caller that the events are
// accepted. After that it sends them to the source. If a process dies anywhere between these steps, then either nobody was
// told that the events are accepted, or the batch can be found and sent again.
//
// # Way in
//
// Producers use [OpenBatcher] with a [Registry], such as [Objects], and a [Sender]. Package audittest checks other
// registries.
//
// # Limits
//
// A batch is as safe as the store and the registry are. Whoever deletes batches sooner than they are repaired loses them.
package audit
