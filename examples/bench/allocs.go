package main

import (
	"context"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// watchAllocs tells the allocations per event while events go from 30 % of total to 80 %, once ctx is over: the steady
// state, without start and end. It is -1 if that went by too fast to be seen.
func watchAllocs(ctx context.Context, events *atomic.Int64, total int64) <-chan float64 {
	out := make(chan float64, 1)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
		var from, to [2]float64
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				if to[0] <= from[0] || from[0] == 0 {
					out <- -1
					return
				}
				out <- (to[1] - from[1]) / (to[0] - from[0])
				return
			}
			n := events.Load()
			if n < total*3/10 || n > total*8/10 {
				continue
			}
			metrics.Read(sample)
			to = [2]float64{float64(n), float64(sample[0].Value.Uint64())}
			if from[0] == 0 {
				from = to
			}
		}
	}()
	return out
}
