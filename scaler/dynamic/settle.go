package dynamic

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// step is what the policy remembers of the last change until it has judged it.
type step struct {
	At      time.Time   `json:"at"`
	From    scaler.Size `json:"from"`
	To      scaler.Size `json:"to"`
	Before  float64     `json:"before"` // records a second done before
	Behind  bool        `json:"behind"` // there was a backlog, so more copies should do more
	Settled time.Time   `json:"settled,omitzero"`
	Judged  bool        `json:"judged,omitempty"`
}

// longestSettle is when a step is taken as settled though it does not look so.
const longestSettle = 10 * time.Minute

// follow notices a new change and finds out when the job has got over it. The time that took is the measured pause.
func (p *Policy) follow(in scaler.Input) {
	s := &p.state
	if !in.Last.At.IsZero() && !in.Last.At.Equal(s.Step.At) {
		before := s.Seen.since(in.Last.At.Add(-p.o.Window))
		s.Step = step{
			At: in.Last.At, From: in.Last.From, To: in.Last.To,
			Before: before.mean(doneOf), Behind: before.most(delayOf) > p.o.Normal.Seconds(),
		}
	}
	if s.Step.At.IsZero() || !s.Step.Settled.IsZero() {
		return
	}
	waited := in.Now.Sub(s.Step.At)
	recovered, proven := p.recovered(in)
	switch {
	case waited <= 0:
	case recovered && (proven || waited >= p.pause()):
		s.Step.Settled = in.Now
		if proven {
			if s.Pauses++; s.Pauses == 1 {
				s.Pause = waited.Seconds()
			}
			s.Pause = (s.Pause + waited.Seconds()) / 2
		}
	case waited > max(longestSettle, 5*p.pause()):
		s.Step.Settled = in.Now
	}
}

// recovered reports whether the job works again after a change, as far as is known; proven is false if that is not known
// from measurements.
func (p *Policy) recovered(in scaler.Input) (ok, proven bool) {
	ready, done := in.Sample.Ready, in.Sample.Done
	if ready.Known() && (ready.At.Before(p.state.Step.At) || ready.Number < float64(in.Current.Copies)) {
		return false, true
	}
	if done.Known() && p.state.Step.Before > 0 && done.Number < 0.5*p.state.Step.Before {
		return false, true
	}
	return true, ready.Known() && done.Known()
}

// pause is what a change costs: measured, or the guess until then.
func (p *Policy) pause() time.Duration {
	if p.state.Pauses > 0 {
		return duration(p.state.Pause)
	}
	return p.o.Pause
}

// judge finds out whether a step up helped. A job that had a backlog before and has one still should do more in proportion
// to its copies; if it does not do even a third of that for a window, something else is the bottleneck: a store, a hot
// partition, a quota. More copies would cost and not help.
func (p *Policy) judge(now time.Time, h history) {
	s := &p.state
	st := &s.Step
	if st.Judged || st.Settled.IsZero() {
		return
	}
	grown := st.To.Capacity()/max(st.From.Fill(st.To).Capacity(), 1) - 1
	after := h.since(st.Settled).mean(doneOf)
	if grown <= 0 || !st.Behind || st.Before <= 0 {
		st.Judged = true
		return
	}
	if h[len(h)-1].Delay <= p.o.Normal.Seconds() || after >= st.Before*(1+grown/3) {
		st.Judged, s.Failed, s.Useless = true, 0, ""
		return
	}
	if now.Before(st.Settled.Add(p.o.Window)) {
		return
	}
	st.Judged = true
	s.Blocked = now.Add(p.o.Backoff << min(s.Failed, 4))
	s.Failed++
	s.Useless = fmt.Sprintf("from %d to %d copies changed the rate by %+.0f %% only, so the bottleneck is elsewhere",
		st.From.Copies, st.To.Copies, 100*(after/st.Before-1))
}
