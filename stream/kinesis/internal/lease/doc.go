// Package lease shares the lanes of a job out among its processes by leases in a table.
//
// # Promise
//
// A lease is advice: it keeps two processes from doing the same work, and nothing is lost or doubled if it fails to, since
// the ledger fences. So a process that cannot reach the table goes on with what it has, until it sees there that another
// has taken it.
//
// # How
//
// The table has an item for each process, the member, and one for each lease, with its owner. Each item has a counter,
// every write adds one to it, and a write is made only if the counter is the one that was read. A member adds to the
// counter of its own item again and again: one write for all its leases. It is taken for dead once others have seen that
// counter unchanged for the lease time on their own monotonic clocks; clocks of two machines are never compared.
//
// All members that know the lanes deal leases by the same rule (see deal), each does its own part, and the counter decides where views differ.
// Leases that nobody alive has are taken. Only if one member has two more than another, that one asks for one: it puts
// its name into the lease, the owner commits, and gives the lease to it. An owner that does not within the time for it
// loses the lease all the same.
//
// A reply that was lost needs no care: a name is used by one process, so what the table says it owns, it owns.
//
// # Cost
//
// Each member makes one write and one consistent query of all items at each beat: ten in a lease time.
package lease
