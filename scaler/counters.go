package scaler

import (
	"context"
	"errors"
	"time"
)

// Counters are the totals that a job counts about itself, all copies together. Unknown ones stay unknown.
type Counters struct {
	At      time.Time // of the reading; the zero time makes the whole reading unknown
	Arrived Value     // records that came in, ever
	Done    Value     // records finished, ever
	Busy    Value     // seconds in which copies had work, summed over copies, ever
	Lag     Value     // records that wait now
	Delay   Value     // age in seconds of the oldest record that waits now
	Ready   Value     // copies that take part now
}

// FromCounters is the Signal of a job that counts: rates are differences of two readings. A counter that went back (a
// copy restarted or left) makes its rate unknown for that reading; it is never taken as negative or as zero.
func FromCounters(read func(ctx context.Context) (Counters, error)) Signal {
	return &counterSignal{read: read}
}

type counterSignal struct {
	read func(ctx context.Context) (Counters, error)
	last Counters
}

func (c *counterSignal) Read(ctx context.Context) (Sample, error) {
	if c.read == nil {
		return Sample{}, errors.New("scaler: the function of FromCounters is nil")
	}
	now, err := c.read(ctx)
	if now.At.IsZero() {
		return Sample{}, err
	}
	s := Sample{Lag: now.Lag, Delay: now.Delay, Ready: now.Ready}
	s.Arrival = rate(c.last.Arrived, now.Arrived)
	s.Done = rate(c.last.Done, now.Done)
	if busy := rate(c.last.Busy, now.Busy); busy.Known() && now.Ready.Known() && now.Ready.Number > 0 {
		s.Busy = Known(busy.Number/now.Ready.Number, busy.At)
	}
	c.last = now
	return s, err
}

// rate is the increase per second between two totals, unknown if there is none to tell.
func rate(from, to Value) Value {
	seconds := to.At.Sub(from.At).Seconds()
	if !from.Known() || !to.Known() || seconds <= 0 || to.Number < from.Number {
		return Value{}
	}
	return Known((to.Number-from.Number)/seconds, to.At)
}
