// Package txn has what a job writes: the lanes that an instance owns, and the transactions that move them on.
//
// Locks are taken in this order: owner.mu, the journal's, Lanes.mu. Txn.mu is a leaf.
package txn
