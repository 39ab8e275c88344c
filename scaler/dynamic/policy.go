package dynamic

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// Policy computes the number of copies from measurements; the package comment has the model. It changes copies only, and
// takes the cores of a copy as they are.
//
// It steps up when the delay is predicted to pass half the goal, or when the utilization was too high for long. It steps
// down when less was enough for long, nothing waits and the saving is worth a pause. In between it does nothing: both
// rules look at the same figures from two sides with room between them, so noise makes no steps.
type Policy struct {
	o     Options
	state state
}

// state is all that a decision depends on besides its input.
type state struct {
	Seen     history   `json:"seen"`
	Rate     float64   `json:"rate"` // true rate of one core, records a second; 0 is not known
	Measured bool      `json:"measured"`
	Pause    float64   `json:"pause"` // seconds
	Pauses   int       `json:"pauses"`
	Step     step      `json:"step"`
	Blocked  time.Time `json:"blocked,omitzero"` // no step up before
	Failed   int       `json:"failed"`           // steps in a row that did not help
	Useless  string    `json:"useless,omitempty"`
}

// New refuses options that make no sense, all faults in one error.
func New(o *Options) (*Policy, error) {
	f, err := o.fill()
	if err != nil {
		return nil, err
	}
	return &Policy{o: f, state: state{Rate: f.Rate}}, nil
}

// Want computes the size. It wants values for arrival (or done and lag), done, and lag or delay; busy and ready make it
// better.
func (p *Policy) Want(in scaler.Input) scaler.Want {
	p.setBack(in.Now)
	p.follow(in)
	p.observe(in)
	recent := p.state.Seen.since(in.Now.Add(-p.o.Window))
	p.measureRate(recent)
	if len(recent) > 0 {
		p.judge(in.Now, recent)
	}
	hold := func(format string, args ...any) scaler.Want {
		return scaler.Want{Policy: "dynamic", Size: in.Current, Hold: true, Why: fmt.Sprintf(format, args...)}
	}
	now := &p.state.Seen[len(p.state.Seen)-1]
	switch {
	case now.Load < 0:
		return hold("the arrival rate is not known")
	case now.Arrival < 0 && now.Done < 0:
		return hold("nothing was measured now")
	case p.state.Rate <= 0:
		return hold("the true rate of a copy is not measured yet")
	case p.state.Step.At.After(p.state.Step.Settled):
		return hold("the job settles after the step from %d to %d copies", p.state.Step.From.Copies, p.state.Step.To.Copies)
	case len(recent) < minReadings && !p.state.Seen.spans(in.Now.Add(-p.o.Window), in.Now, loadOf):
		return hold("only %d readings yet", len(recent))
	case p.stalled():
		return hold("records wait and the job does nothing; more copies would not help")
	}
	return p.decide(in, p.weigh(in, now))
}

// setBack forgets what lies in the future: the clock was set back since, in another process whose memory this is, or in one whose
// times have no monotonic reading. What was held until a moment would else be held for as long as the clock was wrong.
func (p *Policy) setBack(now time.Time) {
	s := &p.state
	s.Seen = slices.DeleteFunc(s.Seen, func(o observation) bool { return o.At.After(now) })
	for _, t := range []*time.Time{&s.Step.At, &s.Step.Settled} {
		if t.After(now) {
			*t = now
		}
	}
	if most := now.Add(p.o.Backoff << 4); s.Blocked.After(most) {
		s.Blocked = now
	}
}

// observe appends the sample to the history and forgets what no rule looks at any more.
func (p *Policy) observe(in scaler.Input) {
	s := &p.state
	num := func(v scaler.Value) float64 {
		if !v.Known() {
			return unknown
		}
		return v.Number
	}
	o := observation{
		At: in.Now, Arrival: num(in.Sample.Arrival), Done: num(in.Sample.Done), Lag: num(in.Sample.Lag),
		Delay: num(in.Sample.Delay), Busy: num(in.Sample.Busy), Ready: num(in.Sample.Ready),
		Settling: s.Step.At.After(s.Step.Settled),
	}
	o.Cores = float64(in.Current.Copies)
	if o.Ready >= 0 {
		o.Cores = min(o.Cores, o.Ready)
	}
	if in.Sample.Partitions.Known() {
		o.Cores = min(o.Cores, in.Sample.Partitions.Number)
	}
	o.Cores *= coresOf(in.Current)
	s.Seen = append(s.Seen, o)
	s.Seen = s.Seen.since(in.Now.Add(-max(longMemory, 2*p.stable()+p.o.Window)))
	last := &s.Seen[len(s.Seen)-1]
	last.Load = s.Seen.since(in.Now.Add(-p.o.Window)).arrival()
	p.completeLag(last)
}

// completeLag derives the delay from the lag, or the lag from the delay: a record waits for as long as those before it
// took to arrive.
func (p *Policy) completeLag(o *observation) {
	switch load := o.Load; {
	case o.Lag >= 0 && load > 0:
		o.Delay = max(o.Delay, o.Lag/load)
	case o.Lag > 0 && o.Delay < 0 && p.state.Rate*o.Cores > 0: // nothing arrives any more, and something waits
		o.Delay = o.Lag / (p.state.Rate * o.Cores)
	case o.Lag == 0 && o.Delay < 0:
		o.Delay = 0
	case o.Lag < 0 && o.Delay >= 0 && load >= 0:
		o.Lag = o.Delay * load
	}
}

// stalled reports whether the last readings all show a backlog and no work.
func (p *Policy) stalled() bool {
	seen := p.state.Seen
	if len(seen) < minReadings {
		return false
	}
	for _, o := range seen[len(seen)-minReadings:] {
		if o.Done < 0 || o.Done > stallShare*p.state.Rate*max(o.Cores, 1) || o.Delay <= p.o.Normal.Seconds() {
			return false
		}
	}
	return true
}

// stable is the time after which less is believed to be enough.
func (p *Policy) stable() time.Duration {
	return max(p.o.Stable, stablePauses*p.pause()).Round(time.Second)
}

// longMemory is how much of the past tells the noise of the load.
const longMemory = time.Hour

// stablePauses bounds the share of time that steps down may cost.
const stablePauses = 5

// coresOf is what the true rate of a core is multiplied by to give that of a copy.
func coresOf(s scaler.Size) float64 {
	if s.Cores > 0 {
		return s.Cores
	}
	return 1
}

// mostCopies is beyond what any job has.
const mostCopies = 1_000_000

// ceil rounds a number of copies up, but not for an excess that only floating point made.
// What is no number is none.
func ceil(x float64) int {
	if !(x > 0) {
		return 0
	}
	return int(math.Ceil(min(x, mostCopies) - 1e-9))
}

// MarshalJSON saves what the policy has learned.
func (p *Policy) MarshalJSON() ([]byte, error) { return json.Marshal(p.state) }

// UnmarshalJSON restores what MarshalJSON saved.
func (p *Policy) UnmarshalJSON(b []byte) error {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("scaler: memory of the dynamic policy: %w", err)
	}
	if s.Rate <= 0 {
		s.Rate = p.o.Rate
	}
	p.state = s
	return nil
}
