package seal

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream/driver"
)

// Options are the optional settings of Hourly; nil means all defaults. All instances of a job should have the same.
type Options = sink.SealOptions

// ExplainOptions are the optional settings of Explain; nil means all defaults.
type ExplainOptions = sink.ExplainOptions

// Blocker is one reason why an hour is not sealed yet.
type Blocker = sink.HourBlocker

// Hourly makes out close and seal each hour, once and in order, and returns out. A wrong option is reported when the output
// is attached to a job, before anything is written.
func Hourly[T any](out *sink.Sink[T], opts *Options) driver.Output[T] {
	if out == nil {
		return nil // which Run refuses
	}
	out.Seal(opts)
	return out
}

// Explain says what the hour that begins at hour waits for. It returns nothing for an hour that is closed, or that the next
// round of Maintain will close. It writes nothing.
func Explain(ctx context.Context, store sink.Store, job string, hour time.Time, opts *ExplainOptions) ([]Blocker, error) {
	return sink.Explain(ctx, store, job, hour, opts)
}
