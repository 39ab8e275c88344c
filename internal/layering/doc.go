// Package layering holds the tests of the import rules and of the layout: which package may import which, what may be at
// the top level. docs/decisions says why.
package layering
