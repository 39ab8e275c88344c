// Command sim simulates many seeds and tells how many of them broke an invariant.
//
//	go run ./internal/sim/cmd/sim -seeds 20000
//	go run ./internal/sim/cmd/sim -seeds 20000 -reshard
//	go run ./internal/sim/cmd/sim -seed 17 -trace
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/onceflow/onceflow/internal/sim"
)

func main() {
	seeds := flag.Uint64("seeds", 1000, "how many seeds to run")
	seed := flag.Uint64("seed", 0, "the first seed; alone it runs that seed only")
	steps := flag.Int("steps", sim.Steps, "steps with faults in each run, about")
	reshard := flag.Bool("reshard", false, "let partitions split and merge in every run; default: in two of five")
	trace := flag.Bool("trace", false, "print what happens")
	flag.Parse()
	one := false
	flag.Visit(func(f *flag.Flag) { one = one || f.Name == "seed" })
	flag.Visit(func(f *flag.Flag) { one = one && f.Name != "seeds" })
	if one {
		*seeds = 1
	}
	o := sim.Options{Steps: *steps, Reshard: *reshard}
	if *trace {
		o.Trace = os.Stdout
	}
	if run(*seed, *seeds, &o) > 0 {
		os.Exit(1)
	}
}

// run simulates n seeds on all processors and returns how many failed.
func run(first, n uint64, o *sim.Options) int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	bad := 0
	total := sim.Result{}
	next := first
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				mu.Unlock()
				if seed >= first+n {
					return
				}
				r := sim.Run(seed, o)
				mu.Lock()
				total.Steps, total.Entries, total.Records = total.Steps+r.Steps, total.Entries+r.Entries, total.Records+r.Records
				total.Seals, total.Reshards = total.Seals+r.Seals, total.Reshards+r.Reshards
				total.Forgotten, total.Gone = total.Forgotten+r.Forgotten, total.Gone+r.Gone
				total.PendingSteps, total.TooLate = total.PendingSteps+r.PendingSteps, total.TooLate+r.TooLate
				if len(r.Violations) > 0 {
					bad++
					fmt.Printf("seed %d (trace %016x):\n", seed, r.Hash)
					for _, v := range r.Violations {
						fmt.Println("  " + v)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	fmt.Printf("%d steps, %d entries, %d records, %d seals, %d splits and merges, %d partitions forgotten, %d for good, %d steps of pending sets, %d packs gone before they were read\n",
		total.Steps, total.Entries, total.Records, total.Seals, total.Reshards, total.Forgotten, total.Gone, total.PendingSteps, total.TooLate)
	fmt.Printf("seeds %d, violations %d\n", n, bad)
	return bad
}
