// Package avro writes rows as Avro Object Container Files, with the schema in each file.
//
// # Promise
//
// An Avro file is a header and then blocks that each are compressed alone, so the blocks of several workers make one
// file. A row that does not fit the schema goes to the dead letters, and no part of it to a file. In strings, each byte that
// is not UTF-8 becomes U+FFFD, as in all formats of text, since readers refuse a whole file for one of them.
//
// # Limits
//
// The files compress themselves, so a flow in this format has no codec of its own. A format chooses the sync marker of its
// blocks once, by chance, so blocks of two formats are not joined as they are: merged flows give them the marker of their
// file. If the schema or the codec changes between two commits, an hour of a merged flow has a file of each.
//
// # Way in
//
// [For] takes the schema from the fields of a struct, [New] a schema that you have, and [NewFunc] rows that encode
// themselves. The format goes to a sink.Flow.
package avro
