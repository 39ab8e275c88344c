// Package dedup drops events whose ID another record already has.
//
// # Promise
//
// A record is a duplicate if another record holds its ID. A record that is read again after a crash is never its own
// duplicate. Of the copies of an ID within [Options.Window] one is written: a copy is recognised until the clock has passed
// the first one's event time by the window. For a local store the clock is that of the lane's slowest partition, for a
// shared one that of the whole job's. Up to a bucket later a copy may still be recognised; after that both are written.
//
// The [Store] makes the promise. A local one ([NewMemory], dedup/pebble) serves IDs whose copies share a lane, such as a
// topic partitioned by ID. A shared one (dedup/redis, dedup/dynamodb) serves any; but a Redis that fails over without its
// last writes lets duplicates through. IDs are compared by 128-bit hashes: two different IDs are taken for one with a
// probability of about n²/2^121 for n IDs in the window.
//
// # Limits
//
// Put [ByID] before every stage that holds records, such as a join; Run refuses it after one. At each acquisition of a lane
// a local store is emptied and filled again from the log, so the log must keep records for longer than the window. Where
// one record has several events with IDs and a later stage holds some of them, take a shared store. A local one cannot tell
// after a crash which of a pending record's events had won, and writes all of them.
package dedup
