// Package pebble keeps the IDs of dedup in a folder on disk: a local store for more IDs than fit into memory.
//
// # Promise
//
// It is that of every local store. Copies of an ID must come in one lane. At each acquisition of a lane its table is
// emptied and filled again from the log, so the log must keep records for longer than the window. When Claim returns, its
// claims are on disk, even if the machine dies. Options.Volatile gives that up for speed, which costs nothing while tables
// are filled again anyway.
//
// # Cost
//
// In memory about 12 bits an ID for filters that say which IDs are new, in addition to Options.Memory. A known ID costs a
// read, a new one a write of 28 bytes.
//
// # Limits
//
// A folder serves one process. If Pebble cannot write its log it cannot go on, and the process panics.
package pebble
