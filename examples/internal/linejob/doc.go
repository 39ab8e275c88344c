// Package linejob is what the examples that write records as they are, a line each, have in common: all but the source and
// the store. Each topic or stream becomes a flow, a folder of its name.
package linejob
