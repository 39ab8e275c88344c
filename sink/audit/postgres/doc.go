// Package postgres is a registry of batches in a table of PostgreSQL. It is an audit.Registry.
//
// A registration is a row whose primary key is all that it says, so that to insert it again changes nothing, and other numbers
// make another row. The client is pgx; the pool is the caller's. Several sources share a table.
//
// A client is told that its events are accepted once the row is committed. So [Open] refuses a server whose
// synchronous_commit is off, which would lose rows in a crash.
//
// It was tried with PostgreSQL 15.
package postgres
