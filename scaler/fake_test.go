package scaler

import (
	"cmp"
	"math"
	"testing"
	"time"
)

// fakeJob is a fluid model of a job, in steps of a policy. Its zero fields are a healthy job.
type fakeJob struct {
	now      time.Time
	every    time.Duration
	size     Size
	last     Change
	ready    int
	join     time.Time // when ready becomes size.Copies
	startUp  time.Duration
	arrival  func(t time.Duration) float64 // records a second, since the beginning
	rate     float64                       // of a copy
	bound    float64                       // the job cannot do more, whatever its copies; 0 is no bound
	lag      float64
	parts    float64
	edit     func(t time.Duration, s *Sample) // spoils or removes measurements
	started  time.Time
	restored bool // the policy is saved and restored after each step
}

func newFake(copies int, arrival float64) *fakeJob {
	begin := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	return &fakeJob{
		now: begin, started: begin, every: 30 * time.Second, size: size(copies), ready: copies, rate: 1000, startUp: time.Minute,
		arrival: func(time.Duration) float64 { return arrival },
	}
}

// step lets time pass and returns what was measured in it.
func (j *fakeJob) step() Sample {
	j.now = j.now.Add(j.every)
	if !j.join.IsZero() && !j.now.Before(j.join) {
		j.ready, j.join = j.size.Copies, time.Time{}
	}
	seconds, arrival := j.every.Seconds(), j.arrival(j.now.Sub(j.started))
	can := float64(j.ready) * j.rate * coresOf(j.size)
	if j.bound > 0 {
		can = min(can, j.bound)
	}
	done := min(can, arrival+j.lag/seconds)
	j.lag = max(0, j.lag+(arrival-done)*seconds)
	busy := 1.0
	if can > 0 {
		busy = min(1, done/can)
	}
	s := Sample{
		Arrival: Known(arrival, j.now), Done: Known(done, j.now), Lag: Known(j.lag, j.now),
		Busy: Known(busy, j.now), Ready: Known(float64(j.ready), j.now),
	}
	if j.parts > 0 {
		s.Partitions = Known(j.parts, j.now)
	}
	if j.edit != nil {
		j.edit(j.now.Sub(j.started), &s)
	}
	return s
}

// obey makes the change that a policy wants.
func (j *fakeJob) obey(w Want) bool {
	to := w.Size.fill(j.size)
	if to == j.size {
		return false
	}
	j.last = Change{At: j.now, From: j.size, To: to, Why: w.Why}
	j.set(to)
	return true
}

func (j *fakeJob) set(to Size) {
	if j.size = to; to.Copies > j.ready {
		j.join = j.now.Add(j.startUp)
	} else {
		j.ready, j.join = to.Copies, time.Time{}
	}
}

// run lets a policy rule for some time and returns its changes.
func (j *fakeJob) run(t *testing.T, p Policy, d time.Duration) (changes []Change) {
	t.Helper()
	for end := j.now.Add(d); j.now.Before(end); {
		s := j.step()
		s.check(j.now, 3*j.every)
		w := p.Want(Input{Now: j.now, Current: j.size, Sample: s, Last: j.last})
		if j.obey(w) {
			changes = append(changes, j.last)
		}
		if j.restored {
			p = reborn(t, p)
		}
	}
	return changes
}

// reborn is a new Dynamic with p's memory.
func reborn(t *testing.T, p Policy) Policy {
	t.Helper()
	d := p.(*Dynamic)
	b, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again := &Dynamic{o: d.o}
	if err := again.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	return again
}

// dynamic has a utilization of 0.7 if o does not say another: the figures of the tests are made for that.
func dynamic(t *testing.T, o *DynamicOptions) *Dynamic {
	t.Helper()
	var filled DynamicOptions
	if o != nil {
		filled = *o
	}
	filled.Utilization = cmp.Or(filled.Utilization, 0.7)
	d, err := NewDynamic(&filled)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func copiesOf(changes []Change) (n []int) {
	for _, c := range changes {
		n = append(n, c.To.Copies)
	}
	return n
}

// wobble is a noise without a random source: a sum of waves that never repeats within a test.
func wobble(t time.Duration) float64 {
	s := t.Seconds()
	return (math.Sin(s/17) + math.Sin(s/41+1) + math.Sin(s/97+2) + math.Sin(s*1.7)) / 4
}
