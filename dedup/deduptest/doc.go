// Package deduptest tests implementations of dedup.Store: one call runs what every store must keep to. No production code
// may import it.
package deduptest
