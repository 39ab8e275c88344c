// Package lane is the pure core of one lane of a job. It knows which records are in flight or pending, when they finish and
// as what, the clocks, and the progress that a commit writes down. It starts no goroutine, reads no clock and knows nothing
// of workers, queues or commits. The engine in package stream gives it batches and asks it for cuts.
//
// Open makes a Lane of a Chain, which has a pipe's stages. One goroutine at a time calls a Lane.
package lane
