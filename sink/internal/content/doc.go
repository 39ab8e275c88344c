// Package content reads the rows of what manifests name: of files, and of packs, whole or by key path.
//
// # Promise
//
// What is read is what the manifest says: lengths, checksums and numbers of rows are compared, and rows that differ are an
// error. A pack is read a few MiB at a time, so memory does not grow with it.
package content
