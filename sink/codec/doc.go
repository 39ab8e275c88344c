// Package codec compresses files: zstd, gzip, LZ4, S2, Snappy, or not at all.
//
// # Promise
//
// A file is a sequence of frames. Each can be decompressed alone, and any number of them one after the other are one valid
// file to the usual readers of the format. Frames do not depend on what their compressor wrote before.
//
// # Limits
//
// The Snappy and LZ4 here are the framed formats, not those of Hadoop's codecs. A codec has no dictionary.
//
// # Way in
//
// Give [Zstd] to the Codec of a sink.Flow where readers have it, [Gzip] where they may not. To use another codec, such as a
// cgo binding, implement [Codec].
package codec
