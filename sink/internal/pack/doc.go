// Package pack lays out the rows of many keys in one object, so that a transaction makes one file for an hour of a flow
// instead of one for each key, and reads back those of some keys with few requests.
//
// # Layout
//
// A pack is a sequence of segments and, behind them, its [Contents]. A segment has the groups of some slots, in the order of
// slots, then of key paths; a group is the rows of one key path, in pieces that end at the end of a record. A segment begins
// with the list of its groups and has their pieces behind it: a large piece in a block of its own, compressed as files
// are, so that a merge copies it; small ones together in a block of Snappy, which is cheap.
//
// # Way in
//
// [Writer] makes a pack. Who reads one reads its Contents first, then the range of the segments that it wants, which
// [Contents.Segments] names, and gets the pieces from a [Cursor].
package pack
