// Package dedup drops events whose ID another record has already.
//
// # Promise
//
// A record is a duplicate if another record holds its ID; a record that is read again after a crash is never its own
// duplicate. Of copies of an ID within [Options.Window] one is written: a copy is recognised until the clock has passed
// the first one's event time by the window. The clock is the slowest partition's of the lane for a local store, of the
// whole job for a shared one. Up to a bucket later it may still be recognised, after that both are written.
//
// The promise is that of the [Store]. A local one ([NewMemory], dedup/pebble) serves IDs whose copies share a lane: a
// topic partitioned by ID. A shared one (dedup/redis, dedup/dynamodb) serves any, and a Redis that fails over without
// its last writes lets duplicates through. IDs are compared by 128-bit hashes: two different IDs are taken for one with a
// probability of about n²/2^121 for n IDs in the window.
//
// # Limits
//
// Put [ByID] before every stage that holds records, such as a join; Run refuses it behind one. A local store is emptied
// and filled again from the log whenever a lane is acquired, so the log must keep records for longer than the window.
// Where one record holds several events with IDs and a later stage holds some of them, take a shared store: a local one
// cannot tell after a crash which of a pending record's events had won, and writes all of them.
package dedup
