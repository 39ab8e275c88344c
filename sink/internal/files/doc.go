// Package files turns the rows and dead letters of a transaction into staged files. It knows flows, hours, buffers, frames
// and the job's budget of memory. It knows nothing of the ledger, nor of who owns a file: the caller brings the deadline
// for lateness with the rows, and [Stage] begins a file.
//
// # Way in
//
// A run has one [Pool]. A transaction has one [Set], which has its files, and the Pool's [Writers] for it, which the
// workers use. Then the caller finishes the Set, which returns the list of files, or aborts it. At last it closes the
// Writers.
//
// # Locks
//
// outFile.mu comes before Set.mu. A worker holds outFile.mu while it writes to the file's upload and while it calls Stage,
// so Stage must not wait for anything that writes. Pool.mu and cells.mu are held alone.
package files
