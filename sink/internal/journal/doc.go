// Package journal reads and writes the ledger of a job: it does all I/O for the pure core in internal/ledger. Readers and
// sinks open the same [Journal].
//
// Journal.mu is held during I/O, so that reads and appends go one at a time. While it is held, of the sink's other locks
// only leaves may be taken, which call nothing.
package journal
