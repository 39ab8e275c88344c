package stream

import (
	"context"

	"github.com/onceflow/onceflow/stream/stage"
)

// Func is a stateless stage, for a whole batch.
type Func[In, Out any] func(ctx context.Context, in []Event[In], out *stage.Emitter[Out]) error

// Traits say whether f is nil.
func (f Func[In, Out]) Traits() stage.Traits { return stage.Traits{Err: needs(f == nil, "it")} }

// Open returns f.
func (f Func[In, Out]) Open(*stage.Lane) (stage.Processor[In, Out], error) { return f, nil }

// Process calls f.
func (f Func[In, Out]) Process(ctx context.Context, in []Event[In], out *stage.Emitter[Out]) error {
	return f(ctx, in, out)
}
