// Package ledger is the pure core of the commit protocol: what entries of a job's ledger look like, how they fold into a
// state, which entry is valid on which state, when an hour may close and when staging may be swept. It does no I/O,
// reads no clock and starts no goroutine, so that the simulator and the real sink run this very code.
//
// docs/protocol.md states the rules and names the tests of each.
package ledger
