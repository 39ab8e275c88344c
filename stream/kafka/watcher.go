package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/kafka/internal/fetch"
)

const (
	// tick is how often the watcher looks for work that nobody told it of.
	tick = time.Second

	// unequal is how long topics may have different numbers of partitions, while an operator adds some to each.
	unequal = 15 * time.Second
)

// watcher looks at the cluster: who leads each partition, where to go on in it, which topics there are, and whether they
// are still the same. It is the group's Host. All fields but the last are set once.
type watcher struct {
	opts      *Options
	cluster   *cluster.Cluster
	match     *cluster.Matcher
	topics    *cluster.Topics
	fetch     *fetch.Reader
	lanes     assigner
	compacted bool          // the job knows that topics are compacted
	kick      chan struct{} // wakes run

	// For run alone.
	viewed time.Time // when the cluster was last asked
	odd    time.Time // since when topics are uneven
}

// run looks again and again, and whenever it is woken, until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for attempt := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
		case <-time.After(tick):
		}
		if w.fetch.Troubled() || w.topics.Doubtful() || time.Since(w.viewed) > w.opts.Refresh {
			if attempt++; time.Since(w.viewed) > 2*tick {
				attempt = 0
			} else {
				_ = retry.Wait(ctx, retry.Pause(20*time.Millisecond, tick, attempt+1))
			}
			w.look(ctx)
			if w.fetch.Troubled() {
				w.wake()
			}
		}
		w.fetch.Watchdog(time.Now())
		if since, why := w.lanes.Outside(); !since.IsZero() && time.Since(since) > w.opts.GiveUp {
			w.fetch.Fail(w.outside(since, why))
		}
	}
}

// wake makes run look at once.
func (w *watcher) wake() { retry.Wake(w.kick) }

// look asks for metadata and tells everybody.
func (w *watcher) look(ctx context.Context) {
	v, err := w.cluster.View(ctx, w.match)
	w.viewed = time.Now() // what follows may take long, and is no reason to wait before the next look
	if err == nil || ctx.Err() == nil {
		w.fetch.NoMetadata(err)
	}
	if err != nil {
		return
	}
	compacted, err := w.learn(ctx, v)
	switch {
	case err != nil && ctx.Err() == nil:
		w.opts.Logger.Warn("no settings of topics", "error", err)
	case len(compacted) > 0 && !w.compacted:
		w.fetch.Fail(fmt.Errorf("kafka: topics %q, which are read now too, are compacted; start again so that the stages are checked", compacted))
	}
	if w.same(v) {
		w.lanes.Update(v)
	}
	w.even(v)
	w.fetch.Route(v)
	w.fetch.LookUp(ctx, v)
}

// learn returns the compacted topics among those that are new in v.
func (w *watcher) learn(ctx context.Context, v *cluster.View) ([]string, error) {
	if w.opts.AssumeComplete {
		return nil, nil
	}
	return w.topics.Learn(ctx, w.cluster, v)
}

// even ends the job if topics have different numbers of partitions for too long.
func (w *watcher) even(v *cluster.View) {
	if w.opts.Separate {
		return
	}
	err := v.Uneven()
	switch {
	case err == nil:
		w.odd = time.Time{}
	case w.odd.IsZero():
		w.opts.Logger.Warn("topics have different numbers of partitions", "error", err)
		w.odd = time.Now()
	case time.Since(w.odd) > unequal:
		w.fetch.Fail(err)
	}
}

// same ends the job if a topic was deleted or made again. It reports whether all are the known ones.
func (w *watcher) same(v *cluster.View) bool {
	same, gone := w.topics.Check(v)
	if gone != nil {
		lost := &fault.Lost{Partition: v.Partition(&cluster.Topic{Name: gone.Name, ID: gone.ID}, 0), To: -1, Why: gone.Why}
		if p, upTo := w.fetch.Consumed(gone.ID); p != nil {
			lost.Partition, lost.From = *p, upTo
		}
		w.fetch.Fail(lost)
	}
	if !same {
		w.wake() // to be sure soon
	}
	return same
}

// View is for the group.
func (w *watcher) View(ctx context.Context) (v *cluster.View, same bool, err error) {
	v, err = w.cluster.View(ctx, w.match)
	return v, err == nil && w.same(v), err
}

// Changed makes Poll ask the group.
func (w *watcher) Changed() { w.fetch.Signal() }

// Revoked makes Poll ask the group, and stops all reading before.
func (w *watcher) Revoked() { w.fetch.Revoke() }

// Fail ends the job.
func (w *watcher) Fail(err error) { w.fetch.Fail(err) }

// outside is the error of a process that cannot join its group.
func (w *watcher) outside(since time.Time, why error) error {
	return &limits.Stall{Source: "kafka", What: "group " + w.lanes.Name(), Since: since, Err: why}
}
