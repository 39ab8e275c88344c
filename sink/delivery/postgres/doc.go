// Package postgres is a target of deliveries: tables of PostgreSQL, each row once.
//
// Rows go by COPY in its binary form, and the cursor is a row that changes in the same transaction. So a crash of the delivery, of
// the server or of the connection leaves both or none, and of several processes one wins. The client is pgx; the pool is the caller's.
//
// # What it makes
//
// Three tables: onceflow_delivery with the cursor of each delivery, onceflow_parked with units that were refused, and
// onceflow_rejects with single rows that were, each with the reason. Open makes them if they are missing, so it needs the right to create
// tables once. The tables of the rows are the user's; with Options.Create Open makes them too, and adds columns.
//
// # Bad rows
//
// A row that the table refuses (too long, of another type, a constraint) is found by loading halves of the rows around it, within the
// transaction. It goes to onceflow_rejects, and the others are loaded. Options.Rejects bounds how many rows of a unit may; beyond that the
// unit is refused as a whole, and parked by the delivery. A row that is no JSON, or that the reader cannot take for another reason, also
// refuses its unit.
//
// # Limits
//
// It was tried with PostgreSQL 15. One unit is loaded at a time, since the row of the cursor is locked meanwhile. A unit holds its
// transaction open for as long as it takes to copy its rows, so a unit of an hour holds back vacuum for that long.
package postgres
