// Package audittest checks registries of batches: [Run] is the contract of audit.Registry as tests.
package audittest
