package stream

import (
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// WaitingJump is a partition whose clock waits until a jump is confirmed.
type WaitingJump struct {
	Partition record.Partition
	Seen      time.Time // zero: the partition's first times wait
	Jump      driver.Jump
}

// waits are the partitions of a lane whose clocks wait: how many, the one that is farthest ahead, and since when that has
// been waiting at its clock.
type waits struct {
	n     int
	far   WaitingJump
	since time.Time
}

// waiting finds them, in a lane that had was before.
func (c *laneCore) waiting(was *waits) waits {
	var w waits
	for i := range c.parts {
		p := &c.parts[i]
		if p.clock.Jump.Records == 0 {
			continue
		}
		if w.n++; w.n == 1 || p.clock.Jump.Newest.After(w.far.Jump.Newest) {
			w.far = WaitingJump{p.id, p.clock.Seen, driver.Jump(p.clock.Jump)}
		}
	}
	if w.n > 0 {
		if w.since = was.since; !was.same(&w) {
			w.since = c.lane.Now()
		}
	}
	return w
}

// same reports whether a partition still waits at the same clock.
func (w *waits) same(o *waits) bool {
	return w.n > 0 && o.n > 0 && w.far.Partition == o.far.Partition && w.far.Seen.Equal(o.far.Seen)
}

// observeJumps adds what waits to the status, and logs what has waited for longer than a commit, once, and its end.
func (e *engine[T]) observeJumps(s *Status, now time.Time) {
	for _, l := range *e.visible.Load() {
		w := l.jumps()
		if w.n > 0 && (s.Jumps == 0 || w.far.Jump.Newest.After(s.Jump.Jump.Newest)) {
			s.Jump = w.far
		}
		s.Jumps += int64(w.n)
		if l.jumpTold.n > 0 && !l.jumpTold.same(&w) {
			e.opts.Logger.Info("event time goes on: what was far ahead is confirmed or forgotten", "partition", l.jumpTold.far.Partition)
			l.jumpTold = waits{}
		}
		if w.n > 0 && l.jumpTold.n == 0 && now.Sub(w.since) > e.opts.CommitEvery {
			l.jumpTold = w
			j := w.far.Jump
			e.opts.Logger.Warn("event times far ahead of their partition's wait to be confirmed", "partition", w.far.Partition,
				"seen", w.far.Seen, "from", j.To, "newest", j.Newest, "records", j.Records, "of", eventclock.Default.Records)
		}
	}
}

// jumps is what publish made visible.
func (l *lane[T]) jumps() waits {
	l.jumpMu.Lock()
	defer l.jumpMu.Unlock()
	return l.jump
}

func (l *lane[T]) publishJumps() {
	l.jumpMu.Lock()
	defer l.jumpMu.Unlock()
	l.jump = l.core.waiting(&l.jump)
}
