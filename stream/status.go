package stream

import (
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

// statusBoard is what the conductor reports to the status goroutine.
type statusBoard struct {
	mu        sync.Mutex
	s         Status
	commits   time.Time // when the commit under way began; zero is none
	closed    int64     // hours closed since Run began
	rates     [10]int64 // records read, second by second, in turn
	turn      int
	acquiring time.Time // when the acquisition under way began; zero is none
	reached   time.Time // event time of what is committed; zero if that is not known
	work      outage    // of commits, acquisition and writes
	upkeep    outage
	moves     moves
	stalled   string // as it was last logged
	begun     beginnings
	fruitless fruitless
}

// reaches notes how far event time has got by what is committed; zero if that is not known.
func (b *statusBoard) reaches(at time.Time) { b.set(func(*Status) { b.reached = at }) }

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

// commit notes a commit. It returns Status.Fruitless if that begins with it.
func (b *statusBoard) commit(c *CommitStatus, oldest time.Time, why map[record.Reason]int64, late map[string]int64) (begins error) {
	b.set(func(s *Status) {
		was := s.Fruitless
		if s.Fruitless = b.fruitless.commit(c.Counts); was == nil {
			begins = s.Fruitless
		}
		s.Commit, s.LastCommit, s.OldestPending = c, c.Ended, oldest
		s.Commits++
		s.Counts.Add(c.Counts)
		s.Took.Staging += c.Staging
		s.Took.Appending += c.Appending
		s.Took.Publishing += c.Publishing
		if len(c.Files) > 0 {
			sum := maps.Clone(s.Files) // others have got the old one
			if sum == nil {
				sum = map[driver.FileKind]driver.FileSum{}
			}
			for k, f := range c.Files {
				sum[k] = driver.FileSum{Files: sum[k].Files + f.Files, Rows: sum[k].Rows + f.Rows, Bytes: sum[k].Bytes + f.Bytes}
			}
			s.Files = sum
		}
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
	return begins
}

// kept returns how many hours were closed since it was last called.
func (b *statusBoard) kept(u driver.Upkeep) (closed int64) {
	b.set(func(s *Status) {
		s.EarliestHour, s.Unclosed, s.Housekeeping, s.Merge = u.EarliestHour, u.Unclosed, u.Housekeeping, u.Merge
		s.Entry, s.Outrun, s.Unpublished, s.Closed, s.Sealed = u.Entry, u.Outrun, u.Unpublished, u.Closed, u.Sealed
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
	backlog  backlog

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

// delay is how far the output's clock is ahead of the committed event time; -1 if one is not known. Needs the board's lock.
func (o *observer[T]) delay() time.Duration {
	if o.board.reached.IsZero() {
		return -1
	}
	at, _ := o.clock.now()
	if at.IsZero() {
		at = o.opts.Now()
	}
	return max(0, at.Sub(o.board.reached))
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
	s.Instance, s.Memory = o.opts.Instance, o.opts.Memory
	s.Lag, s.Bytes, s.OddTimes = health.Lag, o.memory.budget.Used(), o.oddTimes.Load()
	s.Uncommitted = b.moves.look(now, &o.backlog, health.Lag.Records)
	if s.Lag.Records >= 0 {
		s.Lag.Records += s.Uncommitted
	}
	s.Read = o.read.Load()
	oldest := b.rates[(b.turn+1)%len(b.rates)]
	s.Rate = max(0, float64(b.rates[b.turn]-oldest)/float64(len(b.rates)-1))
	lanes := *o.lanes.Load()
	back := true // all warm-ups and pending records are
	for _, l := range lanes {
		s.Pending += l.live.Load()
		back = back && l.ready.Load()
	}
	s.Ready = back && len(lanes) > 0 && b.acquiring.IsZero()
	s.Delay = o.delay()
	o.observeJumps(&s, now)
	s.Stalled = o.stalled(now, &s, &health, back)
	if text := fmt.Sprint(s.Stalled); s.Stalled != nil && b.stalled == "" {
		b.stalled = text
		o.opts.Logger.Warn("stalled", "error", s.Stalled)
	} else if s.Stalled == nil {
		b.stalled = ""
	}
	return s
}
