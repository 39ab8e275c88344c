// Package avro writes rows as Avro Object Container Files, with the schema in each file.
//
// An Avro file is a header and then blocks that each are compressed alone, so the blocks of several workers make one
// file. A format chooses the sync marker of its blocks once, by chance: blocks of files of one format may be joined
// behind one header, those of two may not.
//
// The files compress themselves, so a flow in this format has no codec of its own.
package avro
