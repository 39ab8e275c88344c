// Package input opens a file and gives its text, decompressed. What is in a file is told by its first bytes.
package input
