// Command kafka-to-s3 writes the records of Kafka topics as compressed hourly files to a bucket, or to a folder, each
// record exactly once, and seals each hour when all of it is there:
//
//	go run ./examples/kafka-to-s3 -brokers localhost:9092 -topics hits -bucket raw-events
//	go run ./examples/kafka-to-s3 -brokers localhost:9092 -topics hits -dir out -time at
//
// Start as many as there are partitions, stop or kill any of them at any time. Each topic becomes a flow, a folder of its
// name. The hour of a record is that of the JSON field named by -time, else of its Kafka timestamp. Credentials come from
// where the AWS tools take them; a SASL password from $KAFKA_PASSWORD. With -http :8080 it shows how it is: to people, to
// Prometheus at /metrics, to Kubernetes at /healthz and /readyz.
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

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/onceflow/onceflow/examples/internal/kafkajob"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/s3"
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
func run(ctx context.Context, args []string, out io.Writer) error {
	var endpoint, dir string
	o, err := kafkajob.Parse("kafka-to-s3", args, out, func(f *flag.FlagSet) {
		f.StringVar(&endpoint, "endpoint", "", "URL of a store that speaks S3 but is not Amazon's")
		f.StringVar(&dir, "dir", "", "folder to write to, instead of a bucket")
	})
	if err != nil {
		return err
	}
	if (o.Bucket == "") == (dir == "") {
		return errors.New("one of -bucket and -dir is needed")
	}
	return o.Run(ctx, out, func(ctx context.Context, log *slog.Logger) (sink.Store, error) {
		if dir != "" {
			return file.Open(dir, nil)
		}
		cfg, err := awsconfig.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		return s3.Open(ctx, cfg, o.Bucket, &s3.Options{Endpoint: endpoint, PathStyle: endpoint != "", Logger: log})
	})
}
