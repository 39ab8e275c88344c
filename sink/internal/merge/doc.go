// Package merge makes the files of closed hours from the packs that transactions have written, see docs/protocol.md, section
// 11: one file for each key path and hour, or several of the size that the Close says.
//
// # Way in
//
// [Merger.Merge] merges a unit unless somebody has done it, and [Merger.Publish] publishes its files. Any number of instances may
// do so at once, with the same result.
package merge
