// Package fetch reads the partitions that a process was given. It knows who serves each, what to ask for next, what an
// answer means, and which batches wait for the engine.
//
// A Reader has one lock for the shared state of lanes, partitions, plans and loops, since an answer, a lookup, a rebalance
// and the engine all change the same few fields of a partition. One goroutine for each broker does connections,
// decompression and decoding, without the lock. While it is held only the pool's lock is taken, and what Options call.
package fetch
