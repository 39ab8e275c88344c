// Package escape makes folder names of key values, and key values of folder names again.
//
// # Promise
//
// Different values have different folders. Every folder is a name in UTF-8 that all stores and file systems take as it is, and
// no longer than [MaxBytes]. Readers of Hive's layout, such as Spark and DuckDB, read the value that was written.
//
// # Limits
//
// A value too long for a folder has its hash there and cannot be undone: see [ErrHashed]. Values that are not UTF-8, or have a
// character beyond ASCII that [Plain] refuses, are undone by [Undo] but not by readers of Hive's layout. A file system that
// ignores case puts values that differ in case alone into one folder.
//
// # Way in
//
// A reader that lists folders such as site=b%2Fc gives what is behind the equals sign to [Undo]. A reader that looks for a
// value finds its folder with [Append].
package escape
