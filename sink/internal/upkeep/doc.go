// Package upkeep does the work that belongs to no transaction and no hour: it publishes what is committed, sweeps what can
// never be committed, and forgets what is over.
package upkeep
