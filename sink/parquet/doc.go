// Package parquet writes rows as Apache Parquet files, with a schema that follows from a Go struct.
//
// # Promise
//
// A row that does not fit the schema goes to the dead letters, and no part of it to a file: a time that the column's unit
// cannot hold, a decimal with more digits than the column, JSON that is none, a row of more than 256 MiB. In strings, each byte
// that is not UTF-8 becomes U+FFFD, as in all formats of text. A type that has no place in a schema is refused by [For], with
// the name of the field. What the statistics of a column say is true for all readers: there are none where readers
// disagree, such as of numbers with a NaN among them.
//
// # Limits
//
// The files compress themselves, so a flow in this format has no codec of its own. A worker gathers rows, up to 16 MiB unless
// memory is short, and makes a row group of them, so a flow with many keys has small row groups. In merged flows
// (sink.Flow.Merge) packs have rows, and the merge makes row groups of the size that Options says. A merge keeps one row group
// in memory, which takes up to three times its length, and makes smaller ones if a quarter of the job's memory is less.
//
// # Way in
//
// [For] takes the schema from the fields of the events' struct, [ForFunc] that of another struct which a function fills. The
// format goes to a sink.Flow.
package parquet
