// Package place finds out whether a job may write to a folder of a store, and begins its ledger there. Most of that is done
// before anything is written but probes, so that a job that is refused leaves no trace.
package place
