package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

// Run audits again and again all batches that are kept, and sends the lines again that are missing of incomplete ones, until
// ctx ends; then it returns nil. Any other error is of the configuration: nothing that is away ends it. What is away is in the
// report, and Options.Observe gets one for each round.
//
// Before each attempt at a batch it writes an object that says so, create-only: of any number of auditors one sends, and if
// that one dies, another does later. Between two attempts it waits for twice as long as before, at first for Options.Deadline
// and at most for six hours, and in any case until the job has read what came until then. A batch that cannot be read waits as
// long. Batches are sent beside the rounds, half of them in the order in which they are due and half by chance, so that those
// that cannot be sent do not keep others from it.
//
// What is sent again of events whose hour is closed goes where the flow's late policy says. Lines that are missing come twice
// if they were only slow; dedup drops the copies. A source that is away costs few batches their attempt: nothing more is sent
// in a round once Options.Repairs in a row could not be. Each Send is given Options.Deadline.
func Run(ctx context.Context, c Config, send Sender, opts *Options) error {
	a, err := newAuditor(c, opts)
	if err != nil {
		return err
	}
	if send == nil {
		return errors.New("audit: a sender is required")
	}
	if a.opts.Window == 0 {
		a.opts.Logger.Warn("audit: Options.Window is not set, so nobody checks that the job knows lines again for as long as they may be sent again", "keep", a.opts.Keep)
	}
	w := &watcher{auditor: a, repairs: newRepairer(a, send), settled: map[time.Time]*settled{}}
	defer w.repairs.work.Wait()
	for {
		r := w.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.warn(r)
		if a.opts.Observe != nil {
			a.opts.Observe(r)
		}
		_ = retry.Sleep(ctx, retry.Around(a.opts.Every), nil) // the next round sees that ctx has ended
	}
}

// watcher is an auditor that does rounds until it is told to end. One goroutine uses it.
type watcher struct {
	*auditor
	repairs *repairer

	settled  map[time.Time]*settled // by the beginnings of their parts
	kept     int                    // their findings
	unlisted bool                   // the registry could not be listed in the last round

	warned map[string]int64 // how many batches have a word that is wrong, or parts a place that is away, as of the last report
}

// settled is a part in which nothing was missing long after its batches were registered, so that it need not be read again in
// each round.
type settled struct {
	*part
	until time.Time // then it is: a registry or notes may have been away, and have said nothing instead
}

// How long after its end a part may still get registrations, at the very least, and after which time a settled part is read
// again: one with nothing wrong, and another one.
const (
	settles    = 2 * time.Hour
	againClean = 6 * time.Hour
	againWrong = time.Hour
)

// round audits what is kept.
func (w *watcher) round(ctx context.Context) *Report {
	h, err := w.begin(ctx)
	if err != nil {
		now, _ := w.clock.now()
		if now.Year() < 1970 { // the store has never told its time
			now = time.Now().UTC()
		}
		r := blank(w.first(now), now.UTC(), now.UTC())
		r.Why = err.Error()
		r.awayFrom(r.From, r.To, err)
		r.Resent = w.repairs.take()
		return r
	}
	from := w.first(h.now)
	w.forget(from, h.now)
	known := make(map[time.Time]*part, len(w.settled))
	for at, s := range w.settled {
		known[at] = s.part
	}
	var missing []lost
	r := w.auditor.round(ctx, h, from, h.now.UTC(), known, func(p *part) {
		w.repairs.tell(p)
		missing = append(missing, p.lost...)
		p.lost = nil
		w.settle(p, &h.judge)
	})
	if ctx.Err() == nil {
		w.repairs.submit(ctx, missing, &h.judge)
	}
	r.Resent = w.repairs.take()
	w.unlisted = slices.ContainsFunc(r.Away, func(a Away) bool { return a.What == InRegistry })
	return r
}

// first is the beginning of the window: a little more than is kept, so that what has expired is seen.
func (w *watcher) first(now time.Time) time.Time {
	return now.UTC().Add(-w.opts.Keep - time.Hour).Truncate(time.Hour)
}

// forget drops settled parts that are too old, or are to be read again. A registry that was away may have been there, and
// empty, before and after that.
func (w *watcher) forget(from, now time.Time) {
	maps.DeleteFunc(w.settled, func(at time.Time, s *settled) bool {
		gone := at.Before(from) || w.unlisted || !now.Before(s.until)
		if gone {
			w.kept -= len(s.found)
		}
		return gone
	})
}

// settle keeps a part in which nothing is missing.
func (w *watcher) settle(p *part, j *judge) {
	if p.sum.Words[Waiting]+p.sum.Words[Incomplete] > 0 || !j.due(p.to.Add(settles)) {
		return
	}
	again := againClean
	if p.sum.Words[Unknown]+p.sum.Words[Beyond]+p.sum.Words[Twice]+p.sum.Words[Abandoned] > 0 {
		again = againWrong
	}
	p.found = slices.Clone(p.found[:min(len(p.found), max(0, w.opts.Most-w.kept))]) // no report has more
	w.kept += len(p.found)
	w.settled[p.from] = &settled{p, j.now.Add(retry.Jitter(again))} // or they would all be read again in one round
}

// warn says to the Logger what is wrong, once it begins or grows.
func (w *watcher) warn(r *Report) {
	now, why := map[string]int64{}, map[string]string{}
	for _, word := range []Word{Incomplete, Late, Expiring, Expired, Dead, Unknown, Beyond, Twice, Gone, Damaged} {
		now[string(word)] = r.Sum.Words[word]
	}
	for _, a := range r.Away {
		what := "away: " + string(a.What)
		now[what]++
		why[what] = a.Error
	}
	for _, what := range slices.Sorted(maps.Keys(now)) {
		if n := now[what]; n > w.warned[what] {
			attrs := []any{"batches or hours", n, "before", w.warned[what]}
			if why[what] != "" {
				attrs = append(attrs, "err", why[what])
			}
			w.opts.Logger.Warn("audit: "+what, attrs...)
		}
	}
	w.warned = now
}
