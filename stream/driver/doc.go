// Package driver is for authors of sources and outputs: what a [Source] and an [Output] must do so that every record takes
// effect exactly once.
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
// Both are driven by package stream alone. What it may ask of an optional interface it asks by assertion, so a source or an
// output that wraps another has to pass these on.
package driver
