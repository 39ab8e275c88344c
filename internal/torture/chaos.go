package torture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fault is something that is done to the world. do returns once it is over.
type fault struct {
	name string
	do   func(context.Context) error
}

// faults are those that have nothing to do with the source, and more.
func (w *world) faults(more ...fault) []fault {
	fs := append([]fault{
		{"pause a worker", w.pauseWorker}, {"stop a worker", w.stopWorker},
		{"one more worker", w.moreWorkers}, {"one worker less", w.lessWorkers},
	}, more...)
	fs = append(fs, w.rig.faults()...)
	return slices.DeleteFunc(fs, func(f fault) bool { return !strings.Contains(f.name, w.o.Only) })
}

// chaos kills workers, and does other things in between, until enough were killed.
func (w *world) chaos(ctx context.Context) error {
	if err := w.wait(ctx, time.Minute, "the first rows", func() bool { return w.watch.rows() > 0 }); err != nil {
		return err
	}
	for w.report.Kills < w.o.Kills && ctx.Err() == nil {
		if !w.o.Calm {
			f := w.what[w.rnd.IntN(len(w.what))]
			w.o.Say("%4d kills: %s", w.report.Kills, f.name)
			w.report.Faults++
			if err := f.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		if w.report.Kills == w.o.Kills/3 && w.grow != nil {
			if err := w.grow(); err != nil {
				return err
			}
			w.grow = nil
		}
		measure := w.o.Calm || w.rnd.IntN(2) == 0 // else on top of what is still going on
		if measure {
			if err := w.recovered(ctx, time.Now(), false); err != nil {
				return err
			}
		}
		if err := w.killWorker(ctx, measure); err != nil {
			return err
		}
		if err := w.crew.replace(); err != nil {
			return err
		}
		sleep(ctx, time.Duration(w.rnd.Int64N(int64(time.Second))))
	}
	return ctx.Err()
}

func (w *world) killWorker(ctx context.Context, measure bool) error {
	v := w.crew.take()
	if v == nil {
		return w.crew.add()
	}
	at := time.Now()
	v.kill()
	w.report.Kills++
	if w.rnd.IntN(2) == 0 {
		sleep(ctx, time.Duration(w.rnd.Int64N(int64(2*time.Second))))
	}
	if w.crew.size() == 0 {
		at = time.Now() // nobody could take over before one begins
	}
	if err := w.crew.add(); err != nil || !measure {
		return err
	}
	return w.recovered(ctx, at, true)
}

// recovered waits until records that were acknowledged after a moment can be read, of all partitions. If it counts, no
// fault was near but the kill of a worker at that moment, and the time is bounded.
func (w *world) recovered(ctx context.Context, since time.Time, count bool) error {
	if err := w.wait(ctx, 2*time.Minute, "the job to recover", func() bool { return w.reached(since) }); err != nil {
		return fmt.Errorf("%w: %s is not there", err, w.awaited)
	}
	took := time.Since(since)
	if !count {
		w.report.Relief = max(w.report.Relief, took)
		return nil
	}
	w.o.Say("           recovery took %.1f s, last came %s", took.Seconds(), w.awaited)
	w.report.Recovery = max(w.report.Recovery, took)
	w.report.Recoveries++
	if w.o.Recovery > 0 && took > w.o.Recovery {
		w.report.Wrong = append(w.report.Wrong, fmt.Sprintf("at kill %d the recovery took %.1f s, at most %v is right", w.report.Kills, took.Seconds(), w.o.Recovery))
	}
	return nil
}

// wait waits for what other processes do.
func (w *world) wait(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	for end := time.Now().Add(limit); !ok(); sleep(ctx, 50*time.Millisecond) {
		if err := w.crew.replace(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %v in vain for %s", limit, what)
		}
	}
	return nil
}

// pauseWorker makes a zombie: the group takes its lanes away, and then it goes on.
func (w *world) pauseWorker(ctx context.Context) error {
	v := w.crew.take()
	if v == nil {
		return nil
	}
	v.pause()
	sleep(ctx, session+time.Duration(w.rnd.Int64N(int64(3*session))))
	v.resume()
	w.crew.give(v)
	return nil
}

func (w *world) stopWorker(context.Context) error {
	v := w.crew.take()
	if v == nil {
		return nil
	}
	if err := v.stop(40 * time.Second); err != nil {
		w.report.Wrong = append(w.report.Wrong, err.Error())
	}
	return w.crew.add()
}

func (w *world) moreWorkers(context.Context) error {
	if w.crew.size() >= 4 {
		return nil
	}
	return w.crew.add()
}

func (w *world) lessWorkers(context.Context) error {
	if w.crew.size() <= 1 {
		return nil
	}
	v := w.crew.take()
	if v == nil {
		return nil
	}
	if err := v.stop(40 * time.Second); err != nil {
		w.report.Wrong = append(w.report.Wrong, err.Error())
	}
	return nil
}

// sleep passes real time: what is waited for here has no signal.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
