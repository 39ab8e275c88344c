// Package readme holds the tests that keep the prose true: code in it is code that compiles, and files it names exist.
package readme
