package stream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
)

// stallAfter is how long work may make no progress before the status says so.
const stallAfter = time.Minute

// statusBoard is what the conductor reports to the status goroutine.
type statusBoard struct {
	mu        sync.Mutex
	s         Status
	commits   time.Time // when the commit under way began; zero is none
	closed    int64     // hours closed since Run began
	rates     [10]int64 // records read, second by second, in turn
	turn      int
	lastRead  time.Time
	acquiring time.Time // when the acquisition under way began; zero is none
	work      outage    // of commits, acquisition and writes
	upkeep    outage
	stalled   string // as it was last logged
	begun     beginnings
}

// outage is something that fails and is tried again.
type outage struct {
	since, last time.Time // of its errors; zero: it works
	err         error     // the last
}

// fails notes an error, and returns how long there have been errors.
func (b *statusBoard) fails(o *outage, now time.Time, err error) (since time.Duration) {
	b.set(func(*Status) {
		if now.Sub(o.last) > 2*stallAfter {
			o.since = now
		}
		o.last, o.err = now, err
		since = now.Sub(o.since).Round(time.Second)
	})
	return since
}

// passed notes that it works again.
func (b *statusBoard) passed(o *outage) { b.set(func(*Status) { *o = outage{} }) }

func (b *statusBoard) acquires(since time.Time) { b.set(func(*Status) { b.acquiring = since }) }

// stalled returns an error while an outage goes on. If nothing has failed for two minutes it returns nil, since there may
// just be nothing to commit.
func (o *outage) stalled(what string, now time.Time) error {
	if o.err == nil || now.Sub(o.since) <= stallAfter || now.Sub(o.last) > 2*stallAfter {
		return nil
	}
	return fmt.Errorf("stream: %s has failed for %v, and is tried again: %w", what, now.Sub(o.since).Round(time.Second), o.err)
}

func (b *statusBoard) set(f func(s *Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.s)
}

func (b *statusBoard) lanes(n int) { b.set(func(s *Status) { s.Lanes = int64(n) }) }
func (b *statusBoard) shutdown()   { b.set(func(s *Status) { s.ShuttingDown = true }) }

func (b *statusBoard) failed(fenced bool) {
	b.set(func(s *Status) {
		if fenced {
			s.Fenced++
		}
	})
}

func (b *statusBoard) committing(since time.Time) { b.set(func(*Status) { b.commits = since }) }

func (b *statusBoard) commit(at time.Time, counts record.Counts, oldest time.Time, why map[record.Reason]int64, late map[string]int64) {
	b.set(func(s *Status) {
		s.LastCommit, s.OldestPending = at, oldest
		s.Commits++
		s.Counts.Add(counts)
		s.Reasons = reasons.Add(s.Reasons, why)
		if len(late) > 0 {
			sum := make(map[string]int64, len(late))
			maps.Copy(sum, s.LateRows) // others have got the old one
			for flow, n := range late {
				sum[flow] += n
			}
			s.LateRows = sum
		}
	})
}

// kept returns how many hours were closed since it was last called.
func (b *statusBoard) kept(u driver.Upkeep) (closed int64) {
	b.set(func(s *Status) {
		s.EarliestHour, s.Unclosed, s.Housekeeping = u.EarliestHour, u.Unclosed, u.Housekeeping
		closed, b.closed = u.ClosedHours-b.closed, u.ClosedHours
	})
	return closed
}

// observer puts the Status together and publishes it. Its fields are set once, except the counters.
type observer[T any] struct {
	src     driver.Source
	opts    *Options
	board   *statusBoard
	memory  *memory
	clock   *storeClock
	workers pool[T]
	lanes   atomic.Pointer[[]*lane[T]]

	read     atomic.Int64 // records
	oddTimes atomic.Int64 // of records, that were taken for none

	telling  sync.Mutex
	terminal bool
	shown    int // runes of the progress line
}

// run tells the status every second.
func (o *observer[T]) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b := o.board
			b.mu.Lock()
			b.turn = (b.turn + 1) % len(b.rates)
			b.rates[b.turn] = o.read.Load()
			b.mu.Unlock()
			o.observe()
		}
	}
}

// observe gives a snapshot to Options.Observe and to the terminal.
func (o *observer[T]) observe() {
	o.telling.Lock()
	defer o.telling.Unlock()
	s := o.snapshot()
	if o.opts.Observe != nil {
		o.opts.Observe(s)
	}
	o.showProgress(s)
}

func (o *observer[T]) snapshot() Status {
	now := time.Now()
	health := driver.Health{Lag: driver.Lag{Records: -1}}
	if r, ok := o.src.(driver.Reporter); ok {
		health = r.Health()
	}
	b := o.board
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.s
	s.Lag, s.Bytes, s.OddTimes = health.Lag, o.memory.budget.Used(), o.oddTimes.Load()
	if read := o.read.Load(); read != s.Read || b.lastRead.IsZero() {
		s.Read, b.s.Read, b.lastRead = read, read, now
	}
	oldest := b.rates[(b.turn+1)%len(b.rates)]
	s.Rate = max(0, float64(b.rates[b.turn]-oldest)/float64(len(b.rates)-1))
	eventTime, known := int64(0), true
	s.Ready = s.Lanes > 0
	for _, l := range *o.lanes.Load() {
		s.Pending += l.live.Load()
		s.Ready = s.Ready && l.ready.Load()
		switch at := l.eventTime.Load(); {
		case at == 0:
			known = false
		case eventTime == 0 || at < eventTime:
			eventTime = at
		}
	}
	if known && eventTime != 0 {
		at, _ := o.clock.now()
		if at.IsZero() {
			at = o.opts.Now()
		}
		s.Delay = at.Sub(time.UnixMicro(eventTime))
	}
	o.observeJumps(&s, now)
	s.Stalled = o.stalled(now, health)
	if text := fmt.Sprint(s.Stalled); s.Stalled != nil && b.stalled == "" {
		b.stalled = text
		o.opts.Logger.Warn("stalled", "error", s.Stalled)
	} else if s.Stalled == nil {
		b.stalled = ""
	}
	return s
}

// stalled looks for work that makes no progress.
func (o *observer[T]) stalled(now time.Time, health driver.Health) error {
	if health.Stalled != nil {
		return health.Stalled
	}
	for _, w := range o.workers {
		if busy := w.busyFor(now); busy > stallAfter {
			return fmt.Errorf("stream: %s for %v", w.doing(), busy.Round(time.Second))
		}
	}
	b := o.board
	if err := cmp.Or(b.work.stalled("the output", now), b.upkeep.stalled("upkeep", now)); err != nil {
		return err
	}
	if !b.acquiring.IsZero() && now.Sub(b.acquiring) > stallAfter {
		return fmt.Errorf("stream: the acquisition of lanes has been under way for %v", now.Sub(b.acquiring).Round(time.Second))
	}
	if !b.commits.IsZero() && now.Sub(b.commits) > stallAfter {
		return fmt.Errorf("stream: a commit has been under way for %v", now.Sub(b.commits).Round(time.Second))
	}
	if quiet := now.Sub(b.lastRead); health.Lag.Records > 0 && quiet > stallAfter {
		return fmt.Errorf("stream: nothing was read for %v, though %d records wait", quiet.Round(time.Second), health.Lag.Records)
	}
	return nil
}

// busyFor is how long the worker has been in its present step; 0 between steps.
func (w *worker[T]) busyFor(now time.Time) time.Duration {
	at := w.busy.Load()
	if at == 0 {
		return 0
	}
	return now.Sub(w.e.born) - time.Duration(at)
}

// doing says what the worker is at.
func (w *worker[T]) doing() string {
	if l := w.now.Load(); l != nil {
		return "lane " + l.assignment.Lane + " has been in a stage or the output"
	}
	return "a worker has been busy"
}
