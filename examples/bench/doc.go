// Command bench measures what the library costs beside a loop written by hand: CPU time per event, in one run on one
// machine, against real servers.
//
// It starts a broker and an S3 server, produces a fixed set of events, and runs each variant in a process of its own, in
// turn and several times, so that all of them see the same noise. Only the CPU time of that process counts, user and
// system. Every run's output is read back and compared row by row; a variant that is wrong fails the command, a slow one
// does not.
//
//	go run ./examples/bench                    # all variants, 5 times each
//	go run ./examples/bench -only 'zstd|raw'   # some; floors that ratios need come along
//	go run ./examples/bench -smoke             # few events, once: checks the output only
//	go run ./examples/bench -only disk-zstd -profile dir
//	go run ./examples/bench -hour 4            # merges an hour with 4 GB of packs
//
// See docs/performance.md for what came out.
package main
