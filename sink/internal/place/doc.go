// Package place finds out whether a job may write to a folder of a store, and begins its ledger there. It writes only
// probes before it knows, so that a refused job leaves no trace.
package place
