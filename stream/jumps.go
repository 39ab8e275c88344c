package stream

import (
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
)

// WaitingJump is a partition whose clock waits until a jump is confirmed.
type WaitingJump struct {
	Partition    record.Partition
	MaxEventTime time.Time // zero: the partition's first times wait
	Jump         driver.Jump
}

// waits are the partitions of a lane whose clocks wait, and since when the one that is farthest ahead has waited at its clock.
type waits struct {
	core.Jumps
	since time.Time
}

// same reports whether a partition still waits at the same clock.
func (w *waits) same(o *waits) bool {
	return w.N > 0 && o.N > 0 && w.Partition == o.Partition && w.MaxEventTime.Equal(o.MaxEventTime)
}

// observeJumps adds waiting jumps to the status. It logs once a jump that has waited for longer than a commit, and its end.
func (o *observer[T]) observeJumps(s *Status, now time.Time) {
	for _, l := range *o.lanes.Load() {
		w := l.jumps()
		if w.N > 0 && (s.Jumps == 0 || w.Jump.Newest.After(s.Jump.Jump.Newest)) {
			s.Jump = WaitingJump{w.Partition, w.MaxEventTime, w.Jump}
		}
		s.Jumps += int64(w.N)
		if l.jumpTold.N > 0 && !l.jumpTold.same(&w) {
			o.opts.Logger.Info("event time goes on: what was far ahead is confirmed or forgotten", "partition", l.jumpTold.Partition)
			l.jumpTold = waits{}
		}
		if w.N > 0 && l.jumpTold.N == 0 && now.Sub(w.since) > o.opts.CommitEvery {
			l.jumpTold = w
			j := w.Jump
			o.opts.Logger.Warn("event times far ahead of their partition's wait to be confirmed", "partition", w.Partition,
				"seen", w.MaxEventTime, "from", j.To, "newest", j.Newest, "records", j.Records, "of", eventclock.Default.Records)
		}
	}
}

// jumps is what publish made visible.
func (l *lane[T]) jumps() waits {
	l.jumpMu.Lock()
	defer l.jumpMu.Unlock()
	return l.jump
}

func (l *lane[T]) publishJumps(j core.Jumps) {
	l.jumpMu.Lock()
	defer l.jumpMu.Unlock()
	w := waits{Jumps: j, since: l.jump.since}
	if w.N == 0 {
		w.since = time.Time{}
	} else if !w.same(&l.jump) {
		w.since = time.Now() // what the status compares it with
	}
	l.jump = w
}
