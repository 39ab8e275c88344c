// Package fetch reads the partitions that a process was given: who serves each, what to ask for next, what an answer means,
// and the batches that wait for the engine.
//
// A Reader has one lock for all that lanes, partitions, plans and loops know of each other, since an answer, a lookup, a
// rebalance and the engine all change the same few fields of a partition. Connections, decompression and decoding are done
// without it, by one goroutine for each broker. Below the lock only that of the pool is taken, and what Options call.
package fetch
