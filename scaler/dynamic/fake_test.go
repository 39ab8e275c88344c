package dynamic

import (
	"cmp"
	"math"
	"testing"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// fakeJob is a fluid model of a job, in steps of a policy. Its zero fields are a healthy job.
type fakeJob struct {
	now      time.Time
	every    time.Duration
	size     scaler.Size
	last     scaler.Change
	ready    int
	join     time.Time // when ready becomes size.Copies
	startUp  time.Duration
	arrival  func(t time.Duration) float64 // records a second, since the beginning
	rate     float64                       // of a copy
	bound    float64                       // the job cannot do more, whatever its copies; 0 is no bound
	lag      float64
	parts    float64
	edit     func(t time.Duration, s *scaler.Sample) // spoils or removes measurements
	started  time.Time
	restored bool // the policy is saved and restored after each step
}

func size(copies int) scaler.Size { return scaler.Size{Copies: copies} }

// values are those of a sample.
func values(s *scaler.Sample) []*scaler.Value {
	return []*scaler.Value{&s.Arrival, &s.Done, &s.Lag, &s.Delay, &s.Busy, &s.Ready, &s.Partitions}
}

func newFake(copies int, arrival float64) *fakeJob {
	begin := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	return &fakeJob{
		now: begin, started: begin, every: 30 * time.Second, size: size(copies), ready: copies, rate: 1000, startUp: time.Minute,
		arrival: func(time.Duration) float64 { return arrival },
	}
}

// step lets time pass and returns what was measured in it.
func (j *fakeJob) step() scaler.Sample {
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
	s := scaler.Sample{
		Arrival: scaler.Known(arrival, j.now), Done: scaler.Known(done, j.now), Lag: scaler.Known(j.lag, j.now),
		Busy: scaler.Known(busy, j.now), Ready: scaler.Known(float64(j.ready), j.now),
	}
	if j.parts > 0 {
		s.Partitions = scaler.Known(j.parts, j.now)
	}
	if j.edit != nil {
		j.edit(j.now.Sub(j.started), &s)
	}
	return s
}

// obey makes the change that a policy wants.
func (j *fakeJob) obey(w scaler.Want) bool {
	to := w.Size.Fill(j.size)
	if to == j.size {
		return false
	}
	j.last = scaler.Change{At: j.now, From: j.size, To: to, Why: w.Why}
	j.set(to)
	return true
}

func (j *fakeJob) set(to scaler.Size) {
	if j.size = to; to.Copies > j.ready {
		j.join = j.now.Add(j.startUp)
	} else {
		j.ready, j.join = to.Copies, time.Time{}
	}
}

// run lets a policy rule for some time and returns its changes.
func (j *fakeJob) run(t *testing.T, p scaler.Policy, d time.Duration) (changes []scaler.Change) {
	t.Helper()
	for end := j.now.Add(d); j.now.Before(end); {
		s := j.step()
		s.Check(j.now, 3*j.every)
		w := p.Want(scaler.Input{Now: j.now, Current: j.size, Sample: s, Last: j.last})
		if j.obey(w) {
			changes = append(changes, j.last)
		}
		if j.restored {
			p = reborn(t, p)
		}
	}
	return changes
}

// reborn is a new policy with p's memory.
func reborn(t *testing.T, p scaler.Policy) scaler.Policy {
	t.Helper()
	d := p.(*Policy)
	b, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again := &Policy{o: d.o}
	if err := again.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	return again
}

// dynamic has a utilization of 0.7 if o does not say another: the figures of the tests are made for that.
func dynamic(t *testing.T, o *Options) *Policy {
	t.Helper()
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.Utilization = cmp.Or(filled.Utilization, 0.7)
	d, err := New(&filled)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func copiesOf(changes []scaler.Change) (n []int) {
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
