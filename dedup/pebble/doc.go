// Package pebble keeps the IDs of dedup in a folder on disk: a local store for more IDs than fit into memory.
//
// # Promise
//
// It is that of every local store: copies of an ID must come in one lane, and the table of a lane is emptied and filled
// again from the log whenever the lane is acquired, so the log must keep records for longer than the window. Claims are on
// disk when Claim returns, also if the machine dies; Options.Volatile gives that up for speed, which costs nothing while
// tables are filled again anyway.
//
// # Cost
//
// In memory about 12 bits an ID for filters that say which IDs are new, beside Options.Memory. A known ID costs a read,
// a new one a write of 28 bytes.
//
// # Limits
//
// A folder serves one process. When it cannot write its log, Pebble has no way on: the process panics.
package pebble
