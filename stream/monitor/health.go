package monitor

import (
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/metrics"
)

// health is how a job is.
type health struct {
	stream.Status
	known  bool          // it has told a Status
	silent time.Duration // for how long it has told none, if that is too long; else 0
	ended  bool
	err    error // with which it has ended
}

func (m *Monitor) healthOf(j *metrics.Job) *health {
	st, at := j.Status()
	h := &health{Status: st, known: !at.IsZero()}
	h.ended, h.err = j.Ended()
	if quiet := m.opts.Now().Sub(at); h.known && !h.ended && quiet > m.opts.Silent {
		h.silent = quiet
	}
	return h
}

// alive says whether a restart of the process would not help. A job that is stalled waits for something, and a restart would
// only do work again.
func (h *health) alive() (word string, well bool) {
	switch {
	case h.ended && h.err != nil:
		return "has ended with an error", false
	case h.silent > 0:
		return "hangs", false
	}
	return "lives", true
}

// ready says whether a rollout may go on to the next process.
func (h *health) ready() (word string, well bool) {
	switch {
	case h.ended && h.err != nil:
		return "has ended with an error", false
	case h.ended:
		return "has ended", true
	case !h.known:
		return "starts", false
	case h.ShuttingDown:
		return "ends", false
	case h.silent > 0:
		return "hangs", false
	case !h.Ready:
		return "waits for lanes, or for what a restart reads again", false
	}
	return "ready", true
}

// class is how bad something is.
type class string

const (
	good    class = "good"
	warning class = "warn"
	bad     class = "bad"
)

// word is the state of a job in a word or two.
func (h *health) word() (string, class) {
	switch {
	case h.ended && h.err != nil:
		return "ended with an error", bad
	case h.ended:
		return "ended", good
	case !h.known:
		return "starting", warning
	case h.silent > 0:
		return "hangs", bad
	case h.Stalled != nil:
		return "stalled", bad
	case h.Unclosed != nil:
		return "needs a person", bad
	case h.ShuttingDown:
		return "ending", warning
	case !h.Ready:
		return "not ready", warning
	case h.Fruitless != nil:
		return "fruitless", bad
	case h.Housekeeping != nil, h.Jumps > 0:
		return "healthy, with warnings", warning
	}
	return "healthy", good
}

// alarm is something that somebody should look at.
type alarm struct {
	Class class
	What  string
	Text  string
}

// alarms are all that is not as it should be, the worst first.
func (h *health) alarms(now time.Time) (list []alarm) {
	add := func(c class, what string, err error) {
		if err != nil {
			list = append(list, alarm{c, what, short(err.Error())})
		}
	}
	add(bad, "The job has ended", h.err)
	if h.silent > 0 {
		list = append(list, alarm{bad, "Nothing was heard of the engine", "for " + span(h.silent) + ": the process hangs, or has no processor"})
	}
	add(bad, "Work makes no progress", h.Stalled)
	add(bad, "No hour closes until a person does something", h.Unclosed)
	add(bad, "Nothing comes of what is read", h.Fruitless)
	if r := h.Lag.Retention; r != 0 && r < time.Hour {
		list = append(list, alarm{bad, "Records will be lost", "the log drops the oldest one that a restart would read in " + span(r)})
	}
	if h.Jumps > 0 {
		list = append(list, alarm{warning, "A clock is far ahead", jump(h, now)})
	}
	add(warning, "Leftovers cannot be deleted", h.Housekeeping)
	return list
}
