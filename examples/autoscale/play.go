package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

const (
	goal  = 5 * time.Minute
	every = 30 * time.Second
)

// result is how a policy did on a trace.
type result struct {
	policy     string
	copyHours  float64
	worst, p99 time.Duration // delay, excused seconds left out
	rebalances int
	changes    []scaler.Decision
	copies     []int     // ordered, per minute
	delay      []float64 // worst of each minute, in seconds
}

// meets reports whether the delay goal was kept.
func (r result) meets() bool { return r.worst <= goal }

// play runs a policy on a trace with the real Scaler, on the trace's clock.
func play(t trace, name string, p scaler.Policy, first int) (result, error) {
	j := newJob(t, first)
	s, err := scaler.New(j, p, &scaler.Options{
		Signals: []scaler.Signal{j}, Max: maxCopy, Every: every, Now: j.now, Logger: slog.New(slog.DiscardHandler), Keep: 1,
	})
	if err != nil {
		return result{}, err
	}
	r := result{policy: name}
	err = j.live(&r, func() error {
		if j.second%int(every.Seconds()) != 0 {
			return nil
		}
		d, err := s.Once(context.Background())
		if d.Action == scaler.Changed {
			r.changes = append(r.changes, d)
		}
		return err
	})
	return r, err
}

// live lets all seconds of the trace pass, with a call before each, and measures.
func (j *job) live(r *result, before func() error) error {
	var delays []float64
	for s := range j.t.load {
		if err := before(); err != nil {
			return err
		}
		j.step()
		if s%60 == 0 {
			r.copies, r.delay = append(r.copies, j.ordered), append(r.delay, 0)
		}
		minute := len(r.delay) - 1
		r.delay[minute] = max(r.delay[minute], j.delay)
		if j.t.excused == nil || !j.t.excused(s) {
			delays = append(delays, j.delay)
		}
	}
	slices.Sort(delays)
	r.worst = seconds(delays[len(delays)-1])
	r.p99 = seconds(delays[len(delays)*99/100])
	r.copyHours, r.rebalances = j.paid/3600, j.rebalances
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s) * time.Second }
