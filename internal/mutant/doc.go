// Package mutant plants known mistakes. Each is a simpler rule that somebody could write in good faith and that a model
// has shown to lose, double or mis-seal data. Programs built with the tag mutant make the mistake that the environment
// variable ONCEFLOW_MUTANT names; in all others On is a constant, and a mistake costs nothing and cannot be switched on.
//
// The command in cmd plants them one by one and fails if the tests do not notice one.
package mutant
