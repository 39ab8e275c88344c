package workers

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Workers is a stage whose work is done by tasks. It is safe for concurrent use. It may be in several jobs, whose tasks then
// share its goroutines.
type Workers[In, Out any] struct {
	open     func(Subpartition) (Task[In, Out], error)
	part     Partitioner[In]
	opts     Options
	err      error
	pool     *pool // nil if the user gave another Scheduler
	sched    Scheduler
	counters counters
	hanging  atomic.Int64 // calls that were left to themselves and have not come back
	stubborn atomic.Bool  // a call did not return though its lane was closed: nobody is waited for any more

	mu     sync.Mutex
	lanes  []*lane[In, Out]
	paused map[Subpartition]bool
	left   map[string]map[place]int // by lane: where unfinished records were when it was closed
}

// counters are those of Status, for all lanes since New.
type counters struct {
	failures, timeouts, panics, abandoned, again, late, afterClose, outOfRange, moved atomic.Int64
}

// place names a record.
type place struct {
	partition record.Partition
	position  record.Position
}

// New makes a stage. open makes the task of a sub-partition, on a goroutine of the pool; its error stops the job. It may be
// called for several at once, and again for the same one.
func New[In, Out any](open func(Subpartition) (Task[In, Out], error), p Partitioner[In], o *Options) *Workers[In, Out] {
	w := &Workers[In, Out]{open: open, part: p, paused: map[Subpartition]bool{}, left: map[string]map[place]int{}}
	w.opts, w.err = o.filled()
	if open == nil {
		w.err = errors.Join(w.err, errors.New("workers: a function that makes tasks is required"))
	}
	if p.Count < 1 || p.Count > 1<<16 {
		w.err = errors.Join(w.err, fmt.Errorf("workers: Partitioner.Count is %d, want 1 to 65,536", p.Count))
	}
	if w.sched = w.opts.Scheduler; w.sched == nil {
		w.pool = newPool(w.opts.Parallel)
		w.sched = w.pool
	}
	return w
}

// Traits say that the stage holds records, and what New found wrong.
func (w *Workers[In, Out]) Traits() stage.Traits {
	return stage.Traits{Name: "workers", Holds: true, Err: w.err}
}

// Open makes the sub-partitions of a lane.
func (w *Workers[In, Out]) Open(at *stage.Lane) (stage.Processor[In, Out], error) {
	if w.err != nil {
		return nil, w.err
	}
	l := newLane(w, *at)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lanes = append(w.lanes, l)
	l.left = w.left[at.Name]
	delete(w.left, at.Name)
	if w.pool != nil {
		w.pool.join()
	}
	return l, nil
}

// closed forgets a lane, but for where its unfinished records were.
func (w *Workers[In, Out]) closed(l *lane[In, Out], left map[place]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.lanes {
		if w.lanes[i] == l {
			w.lanes = append(w.lanes[:i:i], w.lanes[i+1:]...)
			break
		}
	}
	if len(left) > 0 {
		w.left[l.at.Name] = left
	}
	if w.pool != nil {
		w.pool.leave()
	}
}

// Pause starts no more records of a sub-partition, nor further attempts, until Resume. What was started goes on. The pause
// outlasts the lane, but not w; a job does not end while records wait for Resume.
func (w *Workers[In, Out]) Pause(id Subpartition) { w.setPaused(id, true) }

// Resume ends a Pause.
func (w *Workers[In, Out]) Resume(id Subpartition) { w.setPaused(id, false) }

func (w *Workers[In, Out]) setPaused(id Subpartition, paused bool) {
	w.mu.Lock()
	if paused {
		w.paused[id] = true
	} else {
		delete(w.paused, id)
	}
	lanes := w.lanes
	w.mu.Unlock()
	for _, l := range lanes {
		if l.at.Name != id.Lane {
			continue
		}
		for _, s := range l.opened() {
			if s.id == id {
				s.look()
			}
		}
	}
}

func (w *Workers[In, Out]) isPaused(id Subpartition) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused[id]
}

// hang counts n calls that hang, or came back. It reports whether as many hang as may run.
func (w *Workers[In, Out]) hang(n int) bool {
	w.sched.Spare(n)
	return w.hanging.Add(int64(n)) >= int64(w.opts.Parallel)
}

// Status is a snapshot of the sub-partitions that have records in this process, and of what was counted since New.
func (w *Workers[In, Out]) Status() Status {
	w.mu.Lock()
	lanes := w.lanes
	w.mu.Unlock()
	c := &w.counters
	st := Status{
		Failures: c.failures.Load(), Timeouts: c.timeouts.Load(), Panics: c.panics.Load(), Abandoned: c.abandoned.Load(), Hanging: w.hanging.Load(),
		AnsweredAgain: c.again.Load(), AnsweredLate: c.late.Load(), AnsweredAfterClose: c.afterClose.Load(),
		OutOfRange: c.outOfRange.Load(), Moved: c.moved.Load(),
	}
	for _, l := range lanes {
		for _, s := range l.opened() {
			if x := s.status(); x.Depth > 0 || x.Failures > 0 || x.Paused {
				st.Subpartitions = append(st.Subpartitions, x)
			}
		}
	}
	return st
}

// Status tells how tasks are doing.
type Status struct {
	// Subpartitions are those with unfinished records, with failures or paused, by lane in the order in which they got their
	// first record.
	Subpartitions []SubpartitionStatus

	Failures  int64 // attempts that failed, for whatever reason
	Timeouts  int64 // of them, those that were not answered in time
	Panics    int64 // of tasks
	Abandoned int64 // calls that did not return and were left to themselves
	Hanging   int64 // of them, those that have not returned yet

	// Answers that were ignored: to an attempt that had one, whose time had passed, or whose task was closed.
	AnsweredAgain, AnsweredLate, AnsweredAfterClose int64

	OutOfRange int64 // records for which the partitioner gave an index out of range
	Moved      int64 // records that were read again and came to another sub-partition than before, in this process
}

// SubpartitionStatus tells how a sub-partition is doing.
type SubpartitionStatus struct {
	Subpartition Subpartition

	Depth    int           // records that wait or were started
	Started  int           // of them
	Bytes    int64         // of all of them
	Oldest   time.Duration // since the oldest of them came; 0 if there is none
	Refused  time.Duration // since Accept first refused the next record; 0 if it does not
	Failures int64         // attempts that failed since the lane was acquired
	Paused   bool
}
