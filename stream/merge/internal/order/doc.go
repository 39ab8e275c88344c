// Package order decides which record of several sorted inputs goes next. It does no I/O and reads no clock.
//
// [Merge] is one lane with its inputs, all of whose methods one goroutine calls. An input is what came of one partition and has not
// gone yet, as times, and what is known of its clock. Who uses a Merge keeps the records themselves, in the same order.
package order
