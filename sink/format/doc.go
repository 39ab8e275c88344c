// Package format turns rows into the bytes of files: JSON lines, CSV, TSV, lines of the user's own, and records as they are.
//
// # Promise
//
// A row that a format cannot express is an error, never a row that readers would take for another one or for two. The formats
// here append to the caller's memory and allocate nothing for a row, but for what a user's function or Marshaler allocates.
// JSON lines, CSV and TSV are always UTF-8; so are [Lines] and [Raw] within [UTF8].
//
// # Limits
//
// Rows are encoded one by one. A format in columns makes blocks of them, see [Joiner]. Packages sink/avro and sink/parquet are
// modules of their own.
//
// # Way in
//
// [JSONLines], [CSV], [TSV], [Lines] and [Raw] make a [Format], which is given to a sink.Flow. Who needs another format
// implements Format and [Encoder].
package format
