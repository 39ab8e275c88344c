// Package lease shares the lanes of a job out among its processes by leases in a table.
//
// # Promise
//
// A lease is advice. It keeps two processes from doing the same work. If it fails to, nothing is lost or doubled, since the
// ledger fences. So a process that cannot reach the table goes on with its lanes, until it sees there that another has
// taken them.
//
// # How
//
// The table has an item for each process, the member, and one for each lease, with its owner. Each item has a counter.
// Every write adds one to it, and is made only if the counter is the one that was read. A member adds to the counter of its
// own item again and again: one write for all its leases. Others take it for dead once they have seen that counter
// unchanged for the lease time on their own monotonic clocks. Clocks of two machines are never compared.
//
// All members that know the lanes deal leases by the same rule (see deal). Each does its own part, and the counter decides
// where views differ. Members take leases that nobody alive has. Only a member that has two fewer than another asks that
// one for a lease: it puts its name into the lease, the owner commits, and gives the lease to it. An owner that is too slow
// loses the lease all the same.
//
// A lost reply needs no care. A name is used by one process, so it owns what the table says it owns.
//
// # Cost
//
// At each beat a member makes one write and one consistent query of all items. There are ten beats in a lease time.
package lease
