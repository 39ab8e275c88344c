// Command kafka-to-s3 writes the records of Kafka topics as compressed hourly files to a bucket, or to a folder, each
// record exactly once, and seals each hour when all of it is there:
//
//	go run ./examples/kafka-to-s3 -brokers localhost:9092 -topics hits -bucket raw-events
//	go run ./examples/kafka-to-s3 -brokers localhost:9092 -topics hits -dir out -time at
//
// Start as many as there are partitions, stop or kill any of them at any time. Each topic becomes a flow, a folder of its
// name. The hour of a record is that of the JSON field named by -time, else of its Kafka timestamp. Credentials come from
// where the AWS tools take them; a SASL password from $KAFKA_PASSWORD.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kafka"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "kafka-to-s3:", err)
		os.Exit(1)
	}
}

// run is the whole program. It returns nil when ctx has ended and the last commit is done.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	defer func() {
		if errors.Is(err, errOpen) && ctx.Err() != nil {
			err = nil // told to end before it had begun
		}
	}()
	o, err := parseFlags(args, out)
	if err != nil {
		return err
	}
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
	store, err := o.store(ctx, log)
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
