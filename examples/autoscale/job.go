package main

import (
	"context"
	"math"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// The job's physics: what a change of size costs.
const (
	startUp = 60 // seconds from the order of a copy until it can work
	pause   = 20 // seconds in which a rebalance stops everybody
)

// job is a model of a consumer group: copies that start, rebalances that stop all of them, records that wait in order.
type job struct {
	t       trace
	second  int
	ordered int   // copies that are paid for
	ready   int   // copies that are members
	joining []int // the seconds at which ordered copies become members, oldest first
	stopped int   // the rebalance ends at this second

	arrived, done []float64 // totals at the end of each second
	first         int       // the second in which the oldest waiting record arrived
	delay         float64   // seconds

	paid       float64 // copy-seconds
	busy       float64 // copy-seconds of work
	member     float64 // copy-seconds of membership
	rebalances int
	last       reading
}

// reading is what was measured when the signals were read last.
type reading struct {
	second                      int
	arrived, done, busy, member float64
}

func newJob(t trace, copies int) *job {
	return &job{t: t, ordered: copies, ready: copies, arrived: make([]float64, 0, len(t.load)), done: make([]float64, 0, len(t.load))}
}

// step lives through one second.
func (j *job) step() {
	s := j.second
	joined := false
	for len(j.joining) > 0 && j.joining[0] <= s {
		j.joining, j.ready, joined = j.joining[1:], j.ready+1, true
	}
	if joined {
		j.rebalance()
	}
	arrived, done := 0.0, 0.0
	if s > 0 {
		arrived, done = j.arrived[s-1], j.done[s-1]
	}
	arrived += j.t.load[s]
	can := copyRate * j.t.health(s) * float64(min(j.ready, maxCopy))
	if j.t.down(s) || s < j.stopped {
		can = 0
	}
	did := min(can, arrived-done)
	if can > 0 {
		j.busy += did / (copyRate * j.t.health(s))
	}
	j.member += float64(j.ready)
	j.paid += float64(j.ordered)
	j.arrived, j.done = append(j.arrived, arrived), append(j.done, done+did)
	for j.first < s && j.arrived[j.first] <= j.done[s] {
		j.first++
	}
	j.delay = 0
	if j.arrived[s]-j.done[s] > 0.5 {
		j.delay = float64(s - j.first)
	}
	j.second++
}

func (j *job) rebalance() {
	j.rebalances++
	j.stopped = j.second + pause
}

// resize orders copies, or sends some away: those that are not members yet first.
func (j *job) resize(copies int) {
	for j.ordered < copies {
		j.joining = append(j.joining, j.second+startUp)
		j.ordered++
	}
	for j.ordered > copies && len(j.joining) > 0 {
		j.joining = j.joining[:len(j.joining)-1]
		j.ordered--
	}
	if j.ordered > copies {
		j.ordered, j.ready = copies, copies
		j.rebalance()
	}
}

func (j *job) now() time.Time { return start.Add(time.Duration(j.second) * time.Second) }

// Read measures the job since the last reading, as its own counters and its broker would.
func (j *job) Read(context.Context) (scaler.Sample, error) {
	dead, absurd := j.t.blind(j.second)
	if dead || j.second == 0 {
		return scaler.Sample{}, nil
	}
	s := j.second - 1
	now := reading{j.second, j.arrived[s], j.done[s], j.busy, j.member}
	was := j.last
	j.last = now
	at, seconds := j.now(), float64(now.second-was.second)
	if seconds <= 0 {
		return scaler.Sample{}, nil
	}
	sample := scaler.Sample{
		Arrival: scaler.Known((now.arrived-was.arrived)/seconds, at), Done: scaler.Known((now.done-was.done)/seconds, at),
		Lag: scaler.Known(now.arrived-now.done, at), Ready: scaler.Known(float64(j.ready), at),
		Busy:       scaler.Known((now.busy-was.busy)/max(1, now.member-was.member), at),
		Partitions: scaler.Known(maxCopy, at),
	}
	if absurd {
		sample.Arrival.Number, sample.Lag.Number, sample.Busy.Number = math.NaN(), -1, math.Inf(1)
	}
	return sample, nil
}

// Size and Resize make the job a scaler.Target.
func (j *job) Size(context.Context) (scaler.Size, error) { return scaler.Size{Copies: j.ordered}, nil }

// Resize is never refused here.
func (j *job) Resize(_ context.Context, c scaler.Change) error {
	j.resize(c.To.Copies)
	return nil
}
