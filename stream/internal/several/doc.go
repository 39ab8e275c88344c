// Package several makes one source of several: it polls them side by side and writes their names into what belongs to them.
//
// [Source] has the members in the order of their names. A [member] is one of them, with the Poll that is under way. names
// translate partitions and lanes between a member, which knows nothing of its name, and the job.
package several
