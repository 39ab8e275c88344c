// Command tenants writes the clicks of many advertisers, and has ten workers that each pull the rows of theirs within a second of
// the commit. The job and the workers are processes of their own, which are killed at random all the while. At the end it
// counts, without the library, that each row came to the worker of its advertiser, once.
//
//	go run ./examples/tenants -dir DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are those of the play; its processes get the same.
type options struct {
	dir         string
	advertisers int
	rows        int
	rate        int // rows that the input gives in a second
	workers     int
	kills       int
	commit      time.Duration

	role  string // of this process: empty for the play, "job" or "worker"
	n     int    // of the worker
	drain bool   // the worker ends at the end of what is committed
}

// The folders of the play.
func (o *options) input() string       { return filepath.Join(o.dir, "input") }
func (o *options) output() string      { return filepath.Join(o.dir, "output") }
func (o *options) worker(n int) string { return filepath.Join(o.dir, "workers", fmt.Sprint(n)) }

var errUsage = errors.New("usage")

func parse(args []string, errOut io.Writer) (*options, error) {
	o := &options{}
	if len(args) > 0 && (args[0] == "job" || args[0] == "worker") {
		o.role, args = args[0], args[1:]
	}
	f := flag.NewFlagSet("tenants", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.StringVar(&o.dir, "dir", "", "`folder` of input, output and what the workers keep")
	f.IntVar(&o.advertisers, "advertisers", 15_000, "how many advertisers there are")
	f.IntVar(&o.rows, "rows", 300_000, "how many clicks")
	f.IntVar(&o.rate, "rate", 20_000, "clicks that come in a second")
	f.IntVar(&o.workers, "workers", 10, "how many workers share the advertisers")
	f.IntVar(&o.kills, "kills", 100, "how many processes are killed, at most")
	f.DurationVar(&o.commit, "commit", 200*time.Millisecond, "time between two commits")
	f.IntVar(&o.n, "n", 0, "number of a worker")
	f.BoolVar(&o.drain, "drain", false, "a worker ends once it has all that is committed")
	if err := f.Parse(args); err != nil {
		return nil, errUsage
	}
	if o.dir == "" || f.NArg() > 0 || min(o.advertisers, o.rows, o.rate, o.workers) < 1 || o.commit <= 0 {
		fmt.Fprintln(errOut, "tenants: -dir is needed, and numbers above 0")
		return nil, errUsage
	}
	return o, nil
}

// args are those of a process of a role.
func (o *options) args(role string, more ...string) []string {
	return append([]string{
		role, "-dir", o.dir, "-advertisers", fmt.Sprint(o.advertisers), "-rows", fmt.Sprint(o.rows), "-rate", fmt.Sprint(o.rate),
		"-workers", fmt.Sprint(o.workers), "-commit", o.commit.String(),
	}, more...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		os.Exit(2)
	}
	switch o.role {
	case "job":
		err = runJob(ctx, o)
	case "worker":
		err = runWorker(ctx, o)
	default:
		err = play(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tenants:", err)
		os.Exit(1)
	}
}
