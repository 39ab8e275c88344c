package sink_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

var testJob = driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}}

// Two jobs with Options.Shared and the same flow once wrote into one folder, and so did two without it that opened at the
// same time: readers got the rows of both.
func TestJobsThatOpenAtOnceNeverShareOneFlow(t *testing.T) {
	for name, shared := range map[string]bool{"shared": true, "not shared": false} {
		t.Run(name, func(t *testing.T) {
			store, _ := memory(noon)
			jobs := []string{"etl", "etl2"}
			opts := &sink.Options{Shared: shared}
			var both sync.WaitGroup // both have found no claim, and are about to make it
			both.Add(len(jobs))
			var outs []*sink.Sink[row]
			for _, job := range jobs {
				arrive := sync.OnceFunc(both.Done)
				s := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
					if c.Op == sinktest.OpCreate && strings.HasSuffix(c.Key, "/.flows/rows.json") {
						arrive()
						both.Wait()
					}
					return sinktest.Pass
				})
				out, err := sink.Open(testContext(t), s, job, []sink.Flow[row]{rowsFlow("rows"), rowsFlow("too")}, opts)
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, out)
			}
			errs := make([]error, len(jobs))
			var done sync.WaitGroup
			for i, out := range outs {
				done.Go(func() { errs[i] = out.Attach(testContext(t), testJob) })
			}
			done.Wait()
			loser := slices.IndexFunc(errs, func(err error) bool { return err != nil })
			if loser < 0 || errs[1-loser] != nil {
				t.Fatalf("%s: %v; %s: %v; want one of them refused", jobs[0], errs[0], jobs[1], errs[1])
			}
			for _, want := range []string{`job "etl"`, `job "etl2"`, `flow "rows"`, "another name", "Options.Prefix"} {
				if !strings.Contains(errs[loser].Error(), want) {
					t.Errorf("it does not say %s: %v", want, errs[loser])
				}
			}
			if got := keys(t, store, "_onceflow/"+jobs[loser]+"/e0001/"); len(got) > 0 {
				t.Errorf("the job that was refused has begun: %v", got)
			}
			// The other one goes on as if nothing had been, after a restart, too.
			out, err := sink.Open(testContext(t), store, jobs[1-loser], []sink.Flow[row]{rowsFlow("rows"), rowsFlow("too")}, opts)
			if err == nil {
				err = out.Attach(testContext(t), testJob)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A flow that a job gets later is claimed then, before anything is written.
func TestAJobNeverGetsOneFlowOfAnother(t *testing.T) {
	store := begun(t) // which is not shared, and has the flow "rows"
	shared := &sink.Options{Shared: true}
	attach := func(job string, flows ...string) error {
		var fs []sink.Flow[row]
		for _, f := range flows {
			fs = append(fs, rowsFlow(f))
		}
		out, err := sink.Open(testContext(t), store, job, fs, shared)
		if err != nil {
			return err
		}
		return out.Attach(testContext(t), testJob)
	}
	if err := attach("other", "others"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		job, flow, owner string
		flows            []string
	}{
		{"third", "rows", "job", []string{"rows"}},
		{"third", "others", "other", []string{"more", "others"}},
		{"other", "rows", "job", []string{"others", "rows"}},
		{"job", "others", "other", []string{"rows", "others"}},
	} {
		before := keys(t, store, "")
		err := attach(c.job, c.flows...)
		if err == nil || !strings.Contains(err.Error(), "the flow \""+c.flow+"\"") || !strings.Contains(err.Error(), "the job \""+c.owner+"\"") {
			t.Errorf("%s with %v: got %v, want that the flow %s is of %s", c.job, c.flows, err, c.flow, c.owner)
		}
		if after := keys(t, store, ""); !slices.Equal(after, before) {
			t.Errorf("it wrote: before %v, after %v", before, after)
		}
	}
	if err := attach("other", "others", "later"); err != nil {
		t.Fatal(err)
	}
	if err := attach("job", "rows", "later"); err == nil {
		t.Error("a flow that a job got later is not its own")
	}
}
