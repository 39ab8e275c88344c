package stream

import (
	"cmp"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
)

// stallAfter is how long work may make no progress before the status says so.
const stallAfter = time.Minute

// overAfter is how long nothing must have failed for an outage to be over, if nothing has succeeded either. One attempt on
// a store that does not answer may take almost four minutes.
const overAfter = 5 * time.Minute

// outage is something that fails and is tried again.
type outage struct {
	since, last time.Time // of its errors; zero: it works
	err         error     // the last
	what        string    // has failed then
}

// fails notes an error, and returns how long there have been errors.
func (b *statusBoard) fails(o *outage, what string, now time.Time, err error) (since time.Duration) {
	b.set(func(*Status) {
		if now.Sub(o.last) > overAfter {
			o.since = now
		}
		o.last, o.err, o.what = now, err, what
		since = now.Sub(o.since).Round(time.Second)
	})
	return since
}

// passed notes that it works again.
func (b *statusBoard) passed(o *outage) { b.set(func(*Status) { *o = outage{} }) }

func (b *statusBoard) acquires(since time.Time) { b.set(func(*Status) { b.acquiring = since }) }

// stalled returns an error while an outage goes on. If nothing has failed for two minutes it returns nil, since there may
// just be nothing to commit.
func (o *outage) stalled(now time.Time) error {
	if o.err == nil || now.Sub(o.since) <= stallAfter || now.Sub(o.last) > 2*stallAfter {
		return nil
	}
	return fmt.Errorf("stream: %s has failed for %v, and is tried again: %w", o.what, now.Sub(o.since).Round(time.Second), o.err)
}

// moves is when the work of a process last moved on. The lock of the statusBoard guards it.
type moves struct {
	busy    time.Time // since when there has been work; zero is none
	last    time.Time // when a worker was last found to have got through a batch
	batches int64     // that they had got through then
}

// look notes what has moved, and returns how many records were delivered and are not committed. lag is how many more the
// source has, as far as it knows.
func (m *moves) look(now time.Time, b *backlog, lag int64) (work int64) {
	if n := b.batches.Load(); n != m.batches || m.last.IsZero() {
		m.batches, m.last = n, now
	}
	work = b.records()
	switch {
	case work == 0 && lag <= 0:
		m.busy = time.Time{}
	case m.busy.IsZero():
		m.busy = now
	}
	return work
}

// uncommittedFor is how long the oldest work may wait for a commit before the status says so: less than three intervals.
func (o *Options) uncommittedFor() time.Duration { return max(20*time.Second, o.CommitEvery/2*5) }

// stalled looks for work that makes no progress. It needs the board's lock. s has the rest of the status, source is what
// the source says of itself. back says that no warm-up and no pending records of a lane are still coming back.
func (o *observer[T]) stalled(now time.Time, s *Status, source *driver.Health, back bool) error {
	if source.Stalled != nil {
		return source.Stalled
	}
	for _, w := range o.workers {
		if busy := w.busyFor(now); busy > stallAfter {
			return fmt.Errorf("stream: %s for %v", w.doing(), busy.Round(time.Second))
		}
	}
	b := o.board
	if err := cmp.Or(b.work.stalled(now), b.upkeep.stalled(now)); err != nil {
		return err
	}
	if !b.acquiring.IsZero() && now.Sub(b.acquiring) > stallAfter {
		return fmt.Errorf("stream: the acquisition of lanes has been under way for %v", now.Sub(b.acquiring).Round(time.Second))
	}
	if !b.commits.IsZero() && now.Sub(b.commits) > stallAfter {
		return fmt.Errorf("stream: a commit has been under way for %v", now.Sub(b.commits).Round(time.Second))
	}
	if quiet := now.Sub(b.moves.last); source.Lag.Records > 0 && quiet > stallAfter {
		return fmt.Errorf("stream: nothing was read for %v, though %d records wait", quiet.Round(time.Second), source.Lag.Records)
	}
	return o.uncommitted(now, s, back)
}

// uncommitted returns an error if there has been work for long and no commit. Lanes whose warm-up or pending records come
// back commit nothing meanwhile, so there a batch counts as progress.
func (o *observer[T]) uncommitted(now time.Time, s *Status, back bool) error {
	b := o.board
	since := b.acquiring
	if !b.moves.busy.IsZero() && (since.IsZero() || b.moves.busy.Before(since)) {
		since = b.moves.busy
	}
	if since.IsZero() {
		return nil
	}
	since = when.Later(since, b.s.LastCommit)
	if !back {
		since = when.Later(since, b.moves.last)
	}
	quiet := now.Sub(since)
	if quiet <= o.opts.uncommittedFor() {
		return nil
	}
	err := fmt.Errorf("stream: nothing was committed for %v, though %d records wait for it", quiet.Round(time.Second), max(s.Uncommitted, s.Lag.Records))
	if b.work.err != nil {
		err = fmt.Errorf("%w: %w", err, b.work.err)
	}
	return err
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
