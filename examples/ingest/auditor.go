package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
)

// keep is for how long what is missing is sent again.
const keep = 24 * time.Hour

// window is for how long after its event the job knows an ID: as long as a copy of its line may come.
func (o *options) window() time.Duration { return mostBehind + keep + o.deadline }

// runAuditor sends again what is missing until ctx ends, and keeps the last report in a file. observe, if set, gets each report.
func runAuditor(ctx context.Context, o *options, p *parts, observe func(*audit.Report)) error {
	var last *audit.Report
	var wrote error
	err := audit.Run(ctx, p.config(), p.send, &audit.Options{
		Deadline: o.deadline, Keep: keep, Window: o.window(), Every: o.deadline / 8, Repairs: 16, Logger: o.logger(),
		Observe: func(r *audit.Report) {
			last = r
			wrote = writeReport(filepath.Join(o.out, "report.json"), r)
			if observe != nil {
				observe(r)
			}
		},
	})
	if last != nil && observe == nil {
		err = errors.Join(err, last.WriteTable(os.Stdout))
	}
	return errors.Join(err, wrote)
}

// writeReport replaces the file as a whole.
func writeReport(name string, r *audit.Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
