// Command kafka-to-gcs writes the records of Kafka topics as compressed hourly files to a bucket of Google Cloud Storage,
// each record exactly once, and seals each hour when all of it is there:
//
//	go run ./examples/kafka-to-gcs -brokers localhost:9092 -topics hits -bucket raw-events
//
// Start as many as there are partitions, stop or kill any of them at any time. Each topic becomes a flow, a folder of its
// name. The hour of a record is that of the JSON field named by -time, else of its Kafka timestamp. Credentials are the
// application's default ones, as all Google tools take them; a SASL password comes from $KAFKA_PASSWORD.
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

	"github.com/onceflow/onceflow/examples/internal/kafkajob"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/gcs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "kafka-to-gcs:", err)
		os.Exit(1)
	}
}

// run is the whole program. It returns nil when ctx has ended and the last commit is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := kafkajob.Parse("kafka-to-gcs", args, out, nil)
	if err != nil {
		return err
	}
	if o.Bucket == "" {
		return errors.New("-bucket is missing")
	}
	return o.Run(ctx, out, func(ctx context.Context, _ *slog.Logger) (sink.Store, error) {
		return gcs.Open(ctx, o.Bucket, nil)
	})
}
