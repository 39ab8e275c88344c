// Package driver is for authors of sources and outputs. It says what a [Source] and an [Output] must do so that every
// record takes effect exactly once.
//
// # Promise
//
// It holds if the source replays the same records for the same positions and the output commits a [Cut] and the rows of its
// transaction atomically. Every method says what its errors leave behind.
//
// # Way in
//
// A source implements [Source] and passes the suite streamtest.RunSource. An output implements [Output] and [Txn]; package
// sink has the usual one, and streamtest one in memory.
//
// # Limits
//
// Package stream alone calls both. It finds optional interfaces by type assertion, so a source or an output that wraps
// another must implement those of the inner one.
package driver
