// Package sink writes events to the files of an object store, exactly once. All flows of a transaction become visible
// together for readers of manifests and seals.
//
// # Guarantee
//
// It is that of package stream, for any [Store] that can create an object only if it does not exist; [Open] probes that.
// Any number of processes may write one job: whoever commits a lane first wins, the other redoes its work elsewhere.
// Nothing that was committed is ever deleted or changed.
//
// Readers that list folders see committed rows only, but a transaction's files appear one by one. [Committed] and the
// manifest objects give whole transactions; a seal of package seal gives whole hours.
//
// # Way in
//
// [Open] a [Sink] on a store with a list of flows. Give it to stream.Run, through seal.Hourly if hours are to be sealed.
// Package format has the formats of files, package codec compresses them, and package escape reads key values from the
// names of folders. docs/format.md describes every object in the store.
//
// # Limits
//
// Files that were staged and never committed are swept once every lane of their writer has a new owner. If nobody reads a
// lane any more they stay.
package sink
