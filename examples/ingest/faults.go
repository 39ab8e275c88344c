package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// faults are the shares of the batches that something happens to on their way. They are the switch of the example.
type faults struct {
	lose, double, part, delay float64
	delayBy                   time.Duration
}

func (f faults) on() bool { return f.lose > 0 || f.double > 0 || f.part > 0 || f.delay > 0 }

func (f faults) String() string {
	return fmt.Sprintf("of the batches %g %% are lost, %g %% sent twice, %g %% lose half of their lines, %g %% come %s later",
		100*f.lose, 100*f.double, 100*f.part, 100*f.delay, f.delayBy)
}

// faulty is a Sender that says that it has sent what it has not. It is safe for concurrent use.
type faulty struct {
	to audit.Sender
	faults
	lost, doubled, parted, delayed atomic.Int64 // batches
}

func (f *faulty) Send(ctx context.Context, lines []audit.Line) error {
	switch dice := rand.Float64(); {
	case dice < f.lose:
		f.lost.Add(1)
		return nil
	case dice < f.lose+f.double:
		f.doubled.Add(1)
		lines = slices.Concat(lines, lines)
	case dice < f.lose+f.double+f.part:
		f.parted.Add(1)
		var some []audit.Line
		for i := range lines {
			if rand.IntN(2) == 0 {
				some = append(some, lines[i])
			}
		}
		lines = some
	case dice < f.lose+f.double+f.part+f.delay:
		f.delayed.Add(1)
		select {
		case <-time.After(f.delayBy):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return f.to.Send(ctx, lines)
}
