// Package mutant plants known mistakes. Each is a simpler rule that somebody could write in good faith and that a model
// has shown to lose, double or mis-seal data. No production code knows of them: the command in cmd has a table of edits of
// the source, which `go build -overlay` applies to what the compiler reads. Programs built so make the mistake that the
// environment variable ONCEFLOW_MUTANT names.
//
// The command plants them one by one and fails if the tests do not notice one.
package mutant
