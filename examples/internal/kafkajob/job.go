package kafkajob

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kafka"
)

// Run is the whole job. It logs to out, and returns nil when ctx has ended and the last commit is done.
func (o *Options) Run(ctx context.Context, out io.Writer, open func(context.Context, *slog.Logger) (sink.Store, error)) (err error) {
	defer func() {
		if errors.Is(err, errOpen) && ctx.Err() != nil {
			err = nil // told to end before it had begun
		}
	}()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: o.level}))
	source, err := o.source(log)
	if err != nil {
		return err
	}
	src, err := kafka.Open(ctx, o.kafka, source)
	if err != nil {
		return errors.Join(errOpen, err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	store, err := open(ctx, log)
	if err != nil {
		return errors.Join(errOpen, err)
	}
	files, err := sink.Open(ctx, store, o.job, o.flows(), &sink.Options{Prefix: o.prefix, Hour: o.hour})
	if err != nil {
		return errors.Join(errOpen, err)
	}
	hourly := seal.Hourly(files, &seal.Options{Lateness: o.lateness, JSON: true})
	events := stream.Via(stream.From(src), stream.Decode(o.parse, (*event).time))
	return stream.Run(ctx, events, hourly, &stream.Options{
		CommitEvery: o.commit, Memory: o.memory, Shutdown: o.shutdown, Logger: log, Observe: (&observer{log: log}).observe,
	})
}

// errOpen marks errors from before the job ran.
var errOpen = errors.New("cannot begin")
