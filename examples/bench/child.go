package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"time"

	"github.com/onceflow/onceflow/examples/internal/procusage"
)

// order is what a child is told, as JSON on its standard input.
type order struct {
	Variant     string
	N           int
	First       time.Time
	Span        time.Duration
	Brokers     []string
	Topic       string
	Group       string
	Dir         string
	S3          string // endpoint, for variants that need one
	Bucket      string
	CommitEvery time.Duration
	Prepare     bool   // all that comes before what is measured
	Profile     string // of CPU, to write; empty is none
}

// child makes one run and prints its outcome.
func child(ctx context.Context) error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	v, err := find(o.Variant)
	if err != nil {
		return err
	}
	r := &run{variant: v, set: set{o.N, o.First, o.Span}, from: input{o.Brokers, o.Topic, o.Group}, dir: o.Dir, commit: o.CommitEvery, prepare: o.Prepare}
	if v.s3 {
		r.bucket = &bucket{o.S3, o.Bucket}
	}
	stop := func() error { return nil }
	if o.Profile != "" {
		if stop, err = profile(o.Profile); err != nil {
			return err
		}
	}
	begin := time.Now()
	out, err := v.do(r, ctx)
	if err != nil {
		return err
	}
	out.Wall = time.Since(begin).Seconds()
	out.CPU, out.Peak = procusage.Self()
	return errors.Join(stop(), json.NewEncoder(os.Stdout).Encode(out))
}

func profile(name string) (stop func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// runTimeout is for the slowest variant on a busy machine: 15,000 files on S3 are 45,000 requests.
const runTimeout = 20 * time.Minute

// start runs o in a process of its own and waits for its outcome.
func start(ctx context.Context, o order) (out outcome, err error) {
	program, err := os.Executable()
	if err != nil {
		return out, err
	}
	in, w, err := os.Pipe()
	if err != nil {
		return out, err
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	c := exec.CommandContext(ctx, program, "-child")
	c.Stdin, c.Stderr = in, os.Stderr
	if err := errors.Join(json.NewEncoder(w).Encode(o), w.Close()); err != nil { // fits the pipe
		return out, err
	}
	text, err := c.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w", o.Variant, err)
	}
	return out, json.Unmarshal(text, &out)
}
