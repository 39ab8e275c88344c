// Command newsroom is a web company's pipeline in one program: hits arrive late, twice and out of order; duplicates go, a
// page load meets the beat that follows it within 90 seconds, bots are filtered, the rest gets a country and is split into
// six flows of several formats and codecs, all of a batch or none. It makes its own traffic, knows what must come out, and
// compares.
//
//	go run ./examples/newsroom -out DIR
//	go run ./examples/newsroom -out DIR -kafka localhost:9092 -redis localhost:6379
//	go run ./examples/newsroom -out DIR -kinesis http://localhost:4567
//	go run ./examples/newsroom -s3 BUCKET -endpoint http://localhost:9000 -kafka localhost:9092
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const job = "newsroom"

type options struct {
	out, traffic     string
	kafka, redis     string
	kinesis          string
	bucket, endpoint string
	events           int
	seed             uint64
	commit           time.Duration
	window, live     time.Duration
	rate             int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := parseFlags()
	same, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "newsroom:", err)
		os.Exit(1)
	}
	if !same {
		os.Exit(1)
	}
}

func parseFlags() *options {
	var o options
	flag.StringVar(&o.out, "out", "out/newsroom", "folder for the output, and for what is kept beside it")
	flag.IntVar(&o.events, "events", 200_000, "about how many events to make")
	flag.Uint64Var(&o.seed, "seed", 1, "the same seed makes the same traffic")
	flag.DurationVar(&o.commit, "commit", 2*time.Second, "time between two commits")
	flag.StringVar(&o.kafka, "kafka", "", "brokers, separated by commas: read the traffic from a topic, after writing it there once")
	flag.StringVar(&o.kinesis, "kinesis", "", "URL of a Kinesis: read the traffic from a stream there, after writing it there once")
	flag.StringVar(&o.redis, "redis", "", "address of a Redis that keeps the IDs; without it they are in memory")
	flag.StringVar(&o.bucket, "s3", "", "bucket for the output, with the usual AWS settings of the environment; without it the folder")
	flag.StringVar(&o.endpoint, "endpoint", "", "URL of an S3 other than Amazon's")
	flag.DurationVar(&o.window, "window", 90*time.Second, "how long a page load waits for its beat")
	flag.IntVar(&o.rate, "rate", 0, "process at most so many records a second; 0 is as many as it can")
	flag.DurationVar(&o.live, "live", 0, "let the hits happen now, for so long, and measure how long they take to a visible file; needs a new -out")
	flag.Parse()
	o.traffic = filepath.Clean(o.out) + "-traffic"
	return &o
}

// run makes the traffic if it is not there, processes what is left of it, and tells whether the output is what it must be.
func run(ctx context.Context, o *options) (same bool, err error) {
	six, err := flows()
	if err != nil {
		return false, err
	}
	store, err := openStore(ctx, o)
	if err != nil {
		return false, err
	}
	began := time.Now()
	var truth *Truth
	fast := true
	if o.kinesis != "" && (o.kafka != "" || o.live > 0) {
		return false, errors.New("-kinesis is for neither -kafka nor -live")
	}
	if o.live > 0 {
		truth, fast, err = processLive(ctx, o, store, six)
	} else if truth, err = makeTraffic(o, six); err == nil {
		err = process(ctx, o, store, six, truth)
	}
	if err != nil {
		return false, err
	}
	if ctx.Err() != nil {
		return false, errors.New("stopped; what was read is committed, and the same command goes on from there")
	}
	got, err := measure(context.WithoutCancel(ctx), store)
	if err != nil {
		return false, err
	}
	same = compare(os.Stdout, six, truth, got)
	where := o.out
	if o.bucket != "" {
		where = "bucket " + o.bucket
	}
	fmt.Printf("\n%s, processed in %s\n", where, time.Since(began).Round(time.Millisecond))
	return same && fast, nil
}
