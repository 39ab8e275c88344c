// Package escape makes folder names of key values, and key values of folder names again.
//
// # Promise
//
// Different values have different folders. Every folder is a name that all stores, file systems and readers of Hive's layout
// take as it is, and no longer than [MaxBytes].
//
// # Limits
//
// A value too long for a folder has its hash there and cannot be undone: see [ErrHashed]. A file system that ignores case
// puts values that differ in case alone into one folder.
//
// # Way in
//
// A reader that lists folders such as site=b%2Fc gives what is behind the equals sign to [Undo]. A reader that looks for a
// value finds its folder with [Append].
package escape
