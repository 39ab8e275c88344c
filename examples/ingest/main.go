// Command ingest is an endpoint that takes events by HTTP and loses none that it has accepted, though what is behind it does: it keeps
// and registers batches before it answers, a job counts what came, and an auditor sends again what is missing. By default it
// runs all of that in one process on a folder, with clients that send it traffic, and loses a tenth of the batches on purpose;
// then it compares the output with what the clients were told is accepted.
//
//	go run ./examples/ingest
//	go run ./examples/ingest -kafka localhost:9092 -dynamodb http://localhost:8000
//	go run ./examples/ingest -kinesis http://localhost:4567 -dynamodb http://localhost:8000
//
// With -role it is one of the processes: endpoint, job or auditor. They share -out and the other flags. Such a process loses nothing on
// purpose unless -lose, -double, -part or -delay says so; if one does, it says that on its standard error.
//
//	go run ./examples/ingest -role endpoint &
//	curl --data-binary @events.ndjson http://localhost:8080/events
//
// A line is a JSON object with an id and a time at, as in {"id":"e1","at":"2026-05-01T12:00:00Z","page":"/"}.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

const (
	jobName  = "ingest"
	flowName = "events"
	source   = "clicks"
	listen   = "127.0.0.1:8080"
	roleAll  = "all" // of the demonstration
)

// demoFaults are what happens to batches in the demonstration.
var demoFaults = faults{lose: 0.1, double: 0.05, part: 0.05, delay: 0.02}

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
	if err := run(ctx, parseFlags(os.Args[1:])); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) *options {
	var o options
	flags := flag.NewFlagSet("ingest", flag.ExitOnError)
	flags.StringVar(&o.role, "role", roleAll, "all, endpoint, job or auditor")
	flags.StringVar(&o.out, "out", "out/ingest", "folder for the output, the batches, and the topic if there is no other")
	flags.StringVar(&o.listen, "listen", "", "where the endpoint listens (default "+listen+"; any free port without -role)")
	flags.StringVar(&o.kafka, "kafka", "", "brokers, separated by commas: send to a topic there instead of files")
	flags.StringVar(&o.kinesis, "kinesis", "", "URL of a Kinesis, or aws for Amazon's: send to a stream there instead of files")
	flags.StringVar(&o.topic, "topic", source, "the topic of Kafka, or the stream of Kinesis; it is made if it is missing")
	flags.StringVar(&o.dynamodb, "dynamodb", "", "URL of a DynamoDB, or aws for Amazon's: register batches in a table there instead of objects")
	flags.StringVar(&o.table, "table", "onceflow-batches", "the table; it is made if it is missing")
	flags.Float64Var(&o.faults.lose, "lose", 0, "share of the batches that are lost on the way to the topic, on purpose"+demo(demoFaults.lose))
	flags.Float64Var(&o.faults.double, "double", 0, "share of the batches that are sent twice"+demo(demoFaults.double))
	flags.Float64Var(&o.faults.part, "part", 0, "share of the batches of which half of the lines are lost"+demo(demoFaults.part))
	flags.Float64Var(&o.faults.delay, "delay", 0, "share of the batches that come later, by -delay-by"+demo(demoFaults.delay))
	flags.DurationVar(&o.faults.delayBy, "delay-by", time.Second, "how much later")
	flags.IntVar(&o.batch, "batch", 1000, "lines of a batch at most")
	flags.DurationVar(&o.age, "age", 100*time.Millisecond, "age of a batch at most, for which its clients wait")
	flags.DurationVar(&o.deadline, "deadline", 4*time.Second, "how long lines may be missing before they are sent again")
	flags.DurationVar(&o.commit, "commit", 500*time.Millisecond, "time between two commits of the job")
	flags.IntVar(&o.events, "events", 50_000, "how many events the clients send")
	flags.IntVar(&o.lines, "lines", 100, "how many events a request has")
	flags.IntVar(&o.clients, "clients", 16, "how many clients send at once")
	flags.BoolVar(&o.verbose, "v", false, "log what is tried again")
	_ = flags.Parse(args) // it ends the program
	if o.role == roleAll {
		o.listen = cmp.Or(o.listen, "127.0.0.1:0")
		asked := false
		flags.Visit(func(f *flag.Flag) {
			asked = asked || slices.Contains([]string{"lose", "double", "part", "delay"}, f.Name)
		})
		if !asked {
			by := o.faults.delayBy
			o.faults = demoFaults
			o.faults.delayBy = by
		}
	}
	return &o
}

func demo(share float64) string {
	return fmt.Sprintf("; without -role %g, unless one of these shares is given", share)
}

func run(ctx context.Context, o *options) error {
	if o.kafka != "" && o.kinesis != "" {
		return errors.New("-kafka and -kinesis are two sources; choose one")
	}
	if o.faults.on() {
		fmt.Fprintln(os.Stderr, "FAULTS ARE ON, on purpose:", o.faults)
	}
	p, err := openParts(ctx, o)
	if err != nil {
		return err
	}
	defer p.close()
	switch o.role {
	case roleAll:
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
