package linejob

import (
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/stream"
)

// observer logs the state of the job every ten seconds, and at once when it changes for the worse or the better.
type observer struct {
	log     *slog.Logger
	last    time.Time
	stalled bool
}

func (o *observer) observe(s stream.Status) {
	if stalled := s.Stalled != nil; stalled == o.stalled && time.Since(o.last) < 10*time.Second {
		return
	}
	o.last, o.stalled = time.Now(), s.Stalled != nil
	delay := "unknown"
	if s.Delay >= 0 {
		delay = s.Delay.Round(time.Second).String()
	}
	o.log.Info("status", "lanes", s.Lanes, "rate", int(s.Rate), "read", s.Read, "lag", s.Lag.Records, "delay", delay,
		"pending", s.Pending, "mib", s.Bytes>>20, "commits", s.Commits, "fenced", s.Fenced, "stalled", s.Stalled)
}
