// Package workerstest runs tasks of package workers in tests: in one goroutine, in an order drawn from a seed, and by a clock
// that moves when the test says so.
//
// [NewScheduler] replaces the goroutines of a stage, which streamtest.Open drives. [Call] calls a task without any stage.
package workerstest
