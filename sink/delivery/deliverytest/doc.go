// Package deliverytest tests targets of deliveries, and programs that use them.
//
// [Run] is the conformance suite: one call tests a Target. [Job] is a job in memory, or on any store, that commits and seals
// what a test tells it to.
//
// The package is for tests. No production code may import it.
package deliverytest
