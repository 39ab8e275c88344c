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
// Rows are written one by one. A format in columns needs all rows of a file before it can write the first; such files are
// made by a loader behind the sink. Package sink/avro has Avro, in a module of its own.
//
// # Way in
//
// [JSONLines], [CSV], [TSV], [Lines] and [Raw] make a [Format], which is given to a sink.Flow. Who needs another format
// implements Format and [Encoder].
package format
