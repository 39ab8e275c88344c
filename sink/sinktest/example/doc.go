// Package example is a Store to start from. It does what the contract of driver.Store asks, in as few lines as that takes, on
// an object server as small as one can be. CONTRIBUTING.md says how to make another store of it: in store.go, what is sent
// and what answers mean becomes that of another server; server.go goes.
package example
