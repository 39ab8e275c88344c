package scaler

import "context"

// Signal measures a job. A Scaler calls it from one goroutine, once a step.
type Signal interface {
	// Read returns what is known now; what it could not measure stays unknown. An error is recorded in the decision, and
	// the values that were returned with it are used all the same, so a signal that knows half of its values says both.
	Read(ctx context.Context) (Sample, error)
}

// SignalFunc makes a Signal of a function.
type SignalFunc func(ctx context.Context) (Sample, error)

// Read calls f.
func (f SignalFunc) Read(ctx context.Context) (Sample, error) { return f(ctx) }
