package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/sink/audit"
)

// demonstrate runs all parts, sends them traffic, waits until the audit says that all is complete, and compares.
func demonstrate(ctx context.Context, o *options, p *parts) error {
	began := time.Now()
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	acked, err := os.OpenFile(filepath.Join(o.out, "acked.ndjson"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s has a demonstration already: choose another -out, or delete it", o.out)
	}
	if err != nil {
		return err
	}
	defer acked.Close()
	work, ctx := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(ctx) // job and auditor
	defer stop()
	serving, end := context.WithCancel(ctx)
	defer end()
	e, err := openEndpoint(ctx, o, p)
	if err != nil {
		return err
	}
	sent := make(chan struct{})
	var last *audit.Report
	var resent audit.Resent
	all := false
	t := &traffic{url: "http://" + e.addr() + "/events", events: o.events, lines: o.lines, acked: acked}
	work.Go(func() error { return e.serve(serving) })
	work.Go(func() error { return runJob(running, o, p) })
	work.Go(func() error {
		return runAuditor(running, o, p, func(r *audit.Report) {
			last = r
			resent.Batches, resent.Lines = resent.Batches+r.Resent.Batches, resent.Lines+r.Resent.Lines
			fmt.Printf("%6s  %s\n", time.Since(began).Round(100*time.Millisecond), progress(r))
			select {
			case <-sent:
				if all && r.Complete() {
					stop()
				}
				all = true // the next report has begun after the last batch was registered
			default:
			}
		})
	})
	work.Go(func() error {
		defer end()
		if err := t.run(ctx, o.clients); err != nil {
			return err
		}
		close(sent)
		return nil
	})
	err = work.Wait()
	if err != nil {
		return err
	}
	if running.Err() == nil || last == nil || !last.Complete() {
		return errors.New("stopped before all was complete")
	}
	return conclude(ctx, o, p, last, &resent, began)
}

// progress is a report in a line.
func progress(r *audit.Report) string {
	s := fmt.Sprintf("%d batches", r.Sum.Batches)
	for _, w := range audit.Words() {
		if n := r.Sum.Words[w]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, w)
		}
	}
	if r.Resent.Batches > 0 {
		s += fmt.Sprintf("; %d lines of %d batches sent again", r.Resent.Lines, r.Resent.Batches)
	}
	return s
}

func conclude(ctx context.Context, o *options, p *parts, last *audit.Report, resent *audit.Resent, began time.Time) error {
	f := p.send
	fmt.Printf("\nof the batches that were sent %d were lost, %d lost half of their lines, %d came twice, %d late; the auditor sent %d lines of %d batches again\n\n",
		f.lost.Load(), f.parted.Load(), f.doubled.Load(), f.delayed.Load(), resent.Lines, resent.Batches)
	last.Batches = nil
	if err := last.WriteTable(os.Stdout); err != nil {
		return err
	}
	c, err := compare(context.WithoutCancel(ctx), p.store, filepath.Join(o.out, "acked.ndjson"))
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s, in %s\n", c, o.out, time.Since(began).Round(100*time.Millisecond))
	if !c.same() {
		return errors.New("the output is not what was accepted")
	}
	return nil
}
