// Package release knows the modules of this repository: it tidies them, prepares a release of all of them in a clone, tries
// that from a program outside, and compares what they export with the last release. docs/decisions/0005-modules.md says why
// there are several.
package release
