// Command ingest is an endpoint that takes events by HTTP and loses none that it has accepted, though what is behind it does: it keeps
// and registers batches before it answers, a job counts what came, and an auditor sends again what is missing. By default it
// runs all of that in one process on a folder, with clients that send it traffic, and loses a tenth of the batches on purpose;
// then it compares the output with what the clients were told is accepted.
//
//	go run ./examples/ingest
//	go run ./examples/ingest -kafka localhost:9092 -dynamodb http://localhost:8000
//	go run ./examples/ingest -kinesis http://localhost:4567 -dynamodb http://localhost:8000
//
// With -role it is one of the processes: endpoint, job or auditor. They share -out and the other flags.
//
//	curl --data-binary @events.ndjson http://localhost:8080/events
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	jobName  = "ingest"
	flowName = "events"
	source   = "clicks"
)

type options struct {
	role, out, listen string

	kafka, kinesis, topic, dynamodb, table string

	faults   faults
	batch    int           // lines of a batch at most
	age      time.Duration // of a batch at most
	deadline time.Duration
	commit   time.Duration

	events, lines, clients int // of the traffic of the demonstration
	verbose                bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parseFlags()); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
}

func parseFlags() *options {
	var o options
	flag.StringVar(&o.role, "role", "all", "all, endpoint, job or auditor")
	flag.StringVar(&o.out, "out", "out/ingest", "folder for the output, the batches, and the topic if there is no other")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "where the endpoint listens")
	flag.StringVar(&o.kafka, "kafka", "", "brokers, separated by commas: send to a topic there instead of files")
	flag.StringVar(&o.kinesis, "kinesis", "", "URL of a Kinesis, or aws for Amazon's: send to a stream there instead of files")
	flag.StringVar(&o.topic, "topic", source, "the topic of Kafka, or the stream of Kinesis; it is made if it is missing")
	flag.StringVar(&o.dynamodb, "dynamodb", "", "URL of a DynamoDB, or aws for Amazon's: register batches in a table there instead of objects")
	flag.StringVar(&o.table, "table", "onceflow-batches", "the table; it is made if it is missing")
	flag.Float64Var(&o.faults.lose, "lose", 0.1, "share of the batches that are lost on the way to the topic")
	flag.Float64Var(&o.faults.double, "double", 0.05, "share of the batches that are sent twice")
	flag.Float64Var(&o.faults.part, "part", 0.05, "share of the batches of which half of the lines are lost")
	flag.Float64Var(&o.faults.delay, "delay", 0.02, "share of the batches that come later, by -delay-by")
	flag.DurationVar(&o.faults.delayBy, "delay-by", time.Second, "how much later")
	flag.IntVar(&o.batch, "batch", 1000, "lines of a batch at most")
	flag.DurationVar(&o.age, "age", 100*time.Millisecond, "age of a batch at most, for which its clients wait")
	flag.DurationVar(&o.deadline, "deadline", 4*time.Second, "how long lines may be missing before they are sent again")
	flag.DurationVar(&o.commit, "commit", 500*time.Millisecond, "time between two commits of the job")
	flag.IntVar(&o.events, "events", 50_000, "how many events the clients send")
	flag.IntVar(&o.lines, "lines", 100, "how many events a request has")
	flag.IntVar(&o.clients, "clients", 16, "how many clients send at once")
	flag.BoolVar(&o.verbose, "v", false, "log what is tried again")
	flag.Parse()
	return &o
}

func run(ctx context.Context, o *options) error {
	if o.kafka != "" && o.kinesis != "" {
		return errors.New("-kafka and -kinesis are two sources; choose one")
	}
	p, err := openParts(ctx, o)
	if err != nil {
		return err
	}
	defer p.close()
	switch o.role {
	case "all":
		return demonstrate(ctx, o, p)
	case "endpoint":
		e, err := openEndpoint(ctx, o, p)
		if err != nil {
			return err
		}
		fmt.Println("listening on", e.addr())
		return e.serve(ctx)
	case "job":
		return runJob(ctx, o, p)
	case "auditor":
		return runAuditor(ctx, o, p, nil)
	}
	return fmt.Errorf("-role %q is none", o.role)
}

func (o *options) logger() *slog.Logger {
	if !o.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}
