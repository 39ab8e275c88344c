// Command kinesis-to-s3 writes the records of a Kinesis stream as compressed hourly files to a bucket, or to a folder, each
// record exactly once, and seals each hour when all of it is there:
//
//	go run ./examples/kinesis-to-s3 -stream hits -bucket raw-events -leases onceflow-leases
//	go run ./examples/kinesis-to-s3 -stream hits -dir out -time at
//
// With -leases start as many as there are shards, stop or kill any of them at any time; without, start one. Records that
// the Kinesis Producer Library packed together are unpacked. Shards may split and merge. The stream becomes a flow, a
// folder of its name. The hour of a record is that of the JSON field named by -time, else of its arrival. Credentials and
// region come from where the AWS tools take them.
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
	"strings"
	"syscall"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	service "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/onceflow/onceflow/examples/internal/linejob"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/s3"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kinesis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "kinesis-to-s3:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	linejob.Options
	stream          string // name or ARN
	kinesis, dynamo string // endpoints that are not Amazon's
	endpoint, dir   string
	leases          kinesis.Leases
	source          kinesis.Options
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("kinesis-to-s3", flag.ContinueOnError)
	f.SetOutput(out)
	o.Register(f, "when the record arrived")
	f.StringVar(&o.stream, "stream", "", "stream to read: its name or ARN")
	f.StringVar(&o.leases.Table, "leases", "", "DynamoDB table that shares the shards out among the processes of the job; it is made if there is none")
	f.DurationVar(&o.leases.Lease, "lease", 10*time.Second, "time after which a silent process loses its shards")
	f.StringVar(&o.source.FanOut, "fanout", "", "read by enhanced fan-out, with a consumer of this name; default: poll")
	f.DurationVar(&o.source.Poll, "poll", time.Second, "time between two reads of a shard that has nothing more")
	f.DurationVar(&o.source.Refresh, "refresh", 10*time.Second, "time between two looks for new shards")
	f.StringVar(&o.kinesis, "kinesis", "", "URL of a server that speaks Kinesis but is not Amazon's")
	f.StringVar(&o.dynamo, "dynamodb", "", "URL of a server that speaks DynamoDB but is not Amazon's")
	f.StringVar(&o.endpoint, "endpoint", "", "URL of a store that speaks S3 but is not Amazon's")
	f.StringVar(&o.dir, "dir", "", "folder to write to, instead of a bucket")
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(flag.ErrHelp, err)
	}
	errs := []error{o.Check()}
	if o.stream == "" {
		errs = append(errs, errors.New("-stream is missing"))
	}
	if (o.Bucket == "") == (o.dir == "") {
		errs = append(errs, errors.New("one of -bucket and -dir is needed"))
	}
	return o, errors.Join(errs...)
}

// run is the whole program. It returns nil when ctx has ended and the last commit is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	name := o.stream[strings.LastIndexByte(o.stream, '/')+1:]
	return o.Run(ctx, out, []string{name}, o.open, o.store)
}

// open opens the stream.
func (o *options) open(ctx context.Context, log *slog.Logger) (stream.Source, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	s := o.source
	s.Logger = log
	s.Client = func(c *service.Options) {
		if o.kinesis != "" {
			c.BaseEndpoint = &o.kinesis
		}
	}
	if o.leases.Table != "" {
		o.leases.Group, o.leases.Endpoint = o.Name, o.dynamo
		s.Leases = &o.leases
	}
	return kinesis.Open(ctx, kinesis.Config{AWS: cfg, Stream: o.stream}, &s)
}

// store opens the bucket or the folder.
func (o *options) store(ctx context.Context, log *slog.Logger) (sink.Store, error) {
	if o.dir != "" {
		return file.Open(o.dir, nil)
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return s3.Open(ctx, cfg, o.Bucket, &s3.Options{Endpoint: o.endpoint, PathStyle: o.endpoint != "", Logger: log})
}
