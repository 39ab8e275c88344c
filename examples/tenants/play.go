package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// play runs the job and the workers, kills them, and counts.
func play(ctx context.Context, o *options, out io.Writer) error {
	if err := generate(o); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t := &troupe{self: self, killed: map[string]int{}}
	fmt.Fprintf(out, "%d clicks of %d advertisers, at most %d a second; %d workers; %d kills\n", o.rows, o.advertisers, o.rate, o.workers, o.kills)
	begin := time.Now()
	if err := t.perform(ctx, o); err != nil {
		return err
	}
	fmt.Fprintf(out, "all was committed and pulled after %s\n\n", time.Since(begin).Round(time.Millisecond))
	c, err := count(o)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "worker\tadvertisers\tclicks\ttransactions\tkilled\t")
	for n := range o.workers {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t\n", n, c.workers[n].advertisers, c.workers[n].rows, c.workers[n].bills, t.killed[fmt.Sprint("worker ", n)])
	}
	fmt.Fprintf(w, "job\t\t%d\t\t%d\t\n", o.rows, t.killed["job"])
	if err := w.Flush(); err != nil {
		return err
	}
	if err := c.wrong(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\neach click came to the worker of its advertiser, once")
	return nil
}

// perform runs the job to its end, with the workers, and then lets the workers pull the rest.
func (t *troupe) perform(ctx context.Context, o *options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var murderer sync.WaitGroup
	defer murderer.Wait()
	killing, stop := context.WithCancel(ctx)
	defer stop()
	murderer.Go(func() { t.kill(killing, o.kills) })

	following, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	errs := make([]error, 2*o.workers+1)
	for n := range o.workers {
		name := fmt.Sprint("worker ", n)
		wg.Go(func() {
			if errs[n] = t.run(following, name, o.args("worker", "-n", fmt.Sprint(n))...); errs[n] == nil && ctx.Err() == nil {
				errs[o.workers+n] = t.run(ctx, name, o.args("worker", "-n", fmt.Sprint(n), "-drain")...)
			}
			if errs[n] != nil || errs[o.workers+n] != nil {
				cancel()
			}
		})
	}
	errs[2*o.workers] = t.run(ctx, "job", o.args("job")...)
	end()
	if errs[2*o.workers] != nil {
		cancel()
	}
	wg.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// troupe is the processes. It is safe for concurrent use.
type troupe struct {
	self string

	mu     sync.Mutex
	alive  []*actor
	killed map[string]int // how often, by name
}

type actor struct {
	name   string
	cmd    *exec.Cmd
	killed bool
}

// run runs a process until it ends by itself, and starts it anew each time it is killed. If ctx ends it kills it for good.
func (t *troupe) run(ctx context.Context, name string, args ...string) error {
	for ctx.Err() == nil {
		var said bytes.Buffer
		a := &actor{name: name, cmd: exec.CommandContext(ctx, t.self, args...)}
		a.cmd.Stdout, a.cmd.Stderr = &said, &said
		if err := a.cmd.Start(); err != nil {
			return err
		}
		t.mu.Lock()
		t.alive = append(t.alive, a)
		t.mu.Unlock()
		err := a.cmd.Wait()
		t.mu.Lock()
		t.alive = slices.DeleteFunc(t.alive, func(b *actor) bool { return b == a })
		killed := a.killed
		t.mu.Unlock()
		switch {
		case err == nil:
			return nil
		case ctx.Err() == nil && !killed:
			return fmt.Errorf("%s: %w\n%s", name, err, &said)
		}
	}
	return nil
}

// kill kills processes at random moments, every third time the job.
func (t *troupe) kill(ctx context.Context, kills int) {
	for i := range kills {
		select {
		case <-time.After(time.Duration(rand.Int64N(int64(150 * time.Millisecond)))):
		case <-ctx.Done():
			return
		}
		t.mu.Lock()
		choice := slices.DeleteFunc(slices.Clone(t.alive), func(a *actor) bool { return a.killed || (a.name == "job") != (i%3 == 0) })
		if len(choice) > 0 {
			a := choice[rand.IntN(len(choice))]
			if a.cmd.Process.Kill() == nil {
				a.killed = true
				t.killed[a.name]++
			}
		}
		t.mu.Unlock()
	}
}
