package linejob

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/metrics"
)

// OpenSource opens what a job reads.
type OpenSource func(context.Context, *slog.Logger) (stream.Source, error)

// OpenStore opens where a job writes to.
type OpenStore func(context.Context, *slog.Logger) (sink.Store, error)

// Run is the whole job: it writes the records of topics, which name a partition's source after its last slash. It logs to
// out, and returns nil when ctx has ended and the last commit is done.
func (o *Options) Run(ctx context.Context, out io.Writer, topics []string, source OpenSource, open OpenStore) (err error) {
	defer func() {
		if errors.Is(err, errOpen) && ctx.Err() != nil {
			err = nil // told to end before it had begun
		}
	}()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: o.level}))
	set := metrics.New(nil)
	set.Job(o.Name, nil) // its output is not known yet
	if o.http != "" {
		stop, err := serve(ctx, o.http, set, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	src, err := source(ctx, log)
	if err != nil {
		return errors.Join(errOpen, err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	store, err := open(ctx, log)
	if err != nil {
		return errors.Join(errOpen, err)
	}
	store = set.Store("output", store)
	files, err := sink.Open(ctx, store, o.Name, o.flows(topics), &sink.Options{Prefix: o.prefix, Hour: o.hour})
	if err != nil {
		return errors.Join(errOpen, err)
	}
	hourly := seal.Hourly(files, &seal.Options{Lateness: o.lateness})
	events := stream.Via(stream.From(src), stream.Decode(o.parse, (*event).time))
	job := set.Job(o.Name, files)
	watch := &observer{log: log}
	return job.End(stream.Run(ctx, events, hourly, &stream.Options{
		CommitEvery: o.commit, Memory: o.memory, Shutdown: o.shutdown, Logger: job.Logger(log),
		Observe: func(st stream.Status) { job.Observe(st); watch.observe(st) },
	}))
}

// errOpen marks errors from before the job ran.
var errOpen = errors.New("cannot begin")
