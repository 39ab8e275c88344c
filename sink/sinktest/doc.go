// Package sinktest tests stores and the programs that write to them.
//
// [Memory] is a Store in memory, for tests and simulations. [Faulty] wraps any Store and makes it fail: refuse a call,
// apply it and lose the reply, apply it late, or crash the process that calls. [Front] spoils what passes between a Store
// and its server. [Run] is the conformance suite: one call tests a Store. Package example is a Store to start from.
//
// The package is for tests. No production code may import it.
package sinktest
