// Command torture runs the Kafka example as several processes, kills and pauses them, the brokers and the store, and
// checks the output:
//
//	go run ./internal/torture/cmd/torture -kills 100 -brokers 3
//
// It exits with 1 if anything is wrong; the last line says what was counted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/internal/torture"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context) (bool, error) {
	begin := time.Now()
	o := torture.Options{Say: func(format string, args ...any) {
		fmt.Printf("%7.1f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}}
	flag.IntVar(&o.Kills, "kills", 10, "how often to kill a worker")
	flag.IntVar(&o.Brokers, "brokers", 1, "1 or 3")
	flag.StringVar(&o.Store, "store", "s3", "s3, gcs or dir")
	flag.Uint64Var(&o.Seed, "seed", 1, "what is done to whom; not when")
	flag.IntVar(&o.Rate, "rate", 0, "records a second; default: 1000 on Kafka, 300 on Kinesis")
	flag.BoolVar(&o.Toxics, "toxics", true, "bad networks too")
	flag.BoolVar(&o.Calm, "calm", false, "kill workers and do nothing else")
	flag.StringVar(&o.Only, "only", "", `beside that, do only what has this in its name, such as "store"`)
	flag.DurationVar(&o.BrokerEvery, "broker-every", 0, "kill a broker this often; default: now and then")
	flag.DurationVar(&o.Recovery, "recovery", 0, "how long a recovery may take after a kill with no other fault near it; default: 7s on Kinesis, no limit on Kafka; -1s: no limit")
	latency := flag.Duration("latency", 0, "instead, measure for so long how old records are when they can be read")
	flag.BoolVar(&o.Quick, "quick", false, "end with the first hour that is sealed, not with the last")
	kinesis := flag.Bool("kinesis", false, "the Kinesis example instead, with shards that split and merge")
	flag.Parse()
	dir, err := os.MkdirTemp("", "onceflow-torture-")
	if err != nil {
		return false, err
	}
	o.Dir = dir
	if *latency > 0 {
		l, err := torture.MeasureLatency(ctx, o, *latency)
		if err != nil {
			return false, fmt.Errorf("%w (logs are in %s)", err, dir)
		}
		fmt.Printf("records %d, %.0f a second, acknowledged to readable: p50 %v, p99 %v, most %v\n", l.Records, l.Rate, l.P50, l.P99, l.Max)
		return true, os.RemoveAll(dir)
	}
	do := torture.Run
	if *kinesis {
		do = torture.RunKinesis
	}
	r, err := do(ctx, o)
	if err != nil {
		return false, fmt.Errorf("%w (logs are in %s)", err, dir)
	}
	for _, s := range r.Wrong {
		fmt.Println("WRONG:", s)
	}
	if r.OK() {
		err = os.RemoveAll(dir)
	} else {
		fmt.Println("logs are in", dir)
	}
	fmt.Printf("faults %d, brokers killed at intervals %d, workers that could not begin %d, late %d, sealed hours %d, aborted but there %d, recoveries measured %d, the worst of others %.1f s, other faults found %d\n",
		r.Faults, r.BrokerKills, r.Refused, r.Late, r.Sealed, r.Ghosts, r.Recoveries, r.Relief.Seconds(), len(r.Wrong))
	fmt.Println(r)
	return r.OK(), err
}
