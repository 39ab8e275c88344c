// Package ledger is the pure core of the commit protocol. It has the entries of a job's ledger, folds them into a state,
// and decides which entry is valid on which state, when an hour may close and when staging may be swept. It does no I/O,
// reads no clock and starts no goroutine, so that the simulator and the real sink run this very code.
//
// docs/protocol.md states the rules and names the tests of each.
package ledger
