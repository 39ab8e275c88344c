// Package upkeep does what is nobody's transaction and no hour's: it publishes what is committed, sweeps what never will be,
// and forgets what is over.
package upkeep
