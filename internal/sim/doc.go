// Package sim runs several instances of a job over one store and one source, all of them simulated, and looks for a
// moment at which the output is not part of a right answer.
//
// What runs is the real sink with the real core of the ledger, and the real dedup and join; the loop that drives them is
// a small engine of this package, written from the contract in package stream. One goroutine runs at a time: each actor
// gives control back to the scheduler at every call of the store and of the source and wherever it would wait. The
// scheduler draws all that happens from one seed, so a seed replays to the same trace.
//
// The scheduler refuses calls, loses replies, delays requests until long after their senders died, kills instances
// between any two calls, pauses them for long, moves lanes about, adds, splits and merges partitions, leaves transactions of producers
// open, and sets clocks off by a day. After every effect on the store the checker compares what is committed with what
// the source holds. In the end the faults stop, and all work must complete, all hours that can must be sealed, and
// nothing may be left in staging.
//
// A world has one struct for each thing that has a state: the scheduler, with time and chance; the source, with lanes and
// logs, and the producers that append to them; the folder, in which files come and go; the group, with the instances; the
// store and its clock. A checker has one for each thing that it follows: objects, what the ledger says of partitions, fates
// of records, manifests, hours, and who owns which lane.
package sim
