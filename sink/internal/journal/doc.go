// Package journal reads and writes the ledger of a job: it does all I/O for the pure core in internal/ledger. Readers and
// sinks open the same [Journal].
//
// Journal.mu is held during I/O, so that reading and appending go one at a time. Who holds it takes
// no other lock of the sink but leaves, which call nothing.
package journal
