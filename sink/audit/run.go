package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/internal/retry"
)

// Run audits again and again all batches that are kept, and sends the lines again that are missing of incomplete ones, until
// ctx ends; then it returns nil. Before each attempt at a batch it writes an object that says so, create-only: of any number
// of auditors one sends, and if that one dies, another does later. Between two attempts it waits for twice as long as before,
// at first for Options.Deadline and at most for six hours, and in any case until the job has read what came until then.
//
// What is sent again of events whose hour is closed goes where the flow's late policy says. Lines that are missing come twice
// if they were only slow; dedup drops the copies. It stops at nothing that may pass: what is away is in the report. A source that
// is away costs few batches their attempt: a round gives up after Options.Repairs that failed in a row. Each Send is given
// Options.Deadline.
func Run(ctx context.Context, c Config, send Sender, opts *Options) error {
	a, err := newAuditor(c, opts)
	if err != nil {
		return err
	}
	if send == nil {
		return errors.New("audit: a sender is required")
	}
	w := &repairer{auditor: a, send: send, settled: map[time.Time]*part{}}
	for {
		r, err := w.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err != nil && final(err):
			return err
		case err != nil:
			a.opts.Logger.Warn("an audit failed; it is done again", "err", err)
		default:
			w.warn(r)
			if a.opts.Observe != nil {
				a.opts.Observe(r)
			}
		}
		_ = retry.Sleep(ctx, retry.Around(a.opts.Every), nil) // the next round sees that ctx has ended
	}
}

// repairer is an auditor that sends again.
type repairer struct {
	*auditor
	send Sender

	// settled are the parts in which nothing was missing long after their batches were registered, by their beginning, so that
	// they need not be read again in each round.
	settled map[time.Time]*part

	failures atomic.Int64 // batches in a row that could not be sent in this round

	warned map[string]int64 // how many batches have a word that is wrong, or parts a place that is away, as of the last report
}

// warn says to the Logger what is wrong, once it begins or grows.
func (w *repairer) warn(r *Report) {
	now := map[string]int64{}
	for _, word := range []Word{Incomplete, Late, Expiring, Dead, Unknown, Beyond, Twice, Gone, Damaged} {
		now[string(word)] = r.Sum.Words[word]
	}
	for _, a := range r.Away {
		now["away: "+string(a.What)]++
	}
	for _, what := range slices.Sorted(maps.Keys(now)) {
		if n := now[what]; n > w.warned[what] {
			w.opts.Logger.Warn("audit: "+what, "batches or hours", n, "before", w.warned[what])
		}
	}
	w.warned = now
}

// settles is how long after its end a part may still get registrations, at the very least.
const settles = 2 * time.Hour

// round audits what is kept.
func (w *repairer) round(ctx context.Context) (*Report, error) {
	now, err := w.Batches.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: read the clock of the batches' store: %w", err)
	}
	w.failures.Store(0)
	from := now.Add(-w.opts.Keep).Truncate(time.Hour)
	maps.DeleteFunc(w.settled, func(at time.Time, _ *part) bool { return at.Before(from) })
	return w.auditor.round(ctx, from, now, w.settled, func(p *part, r *Report) {
		w.repair(ctx, p, r)
		if p.sum.Words[Waiting]+p.sum.Words[Incomplete] == 0 && p.judge.due(p.to.Add(settles)) {
			p.tally = nil
			w.settled[p.from] = p
		}
	})
}

// repair sends the incomplete batches of a part again.
func (w *repairer) repair(ctx context.Context, p *part, r *Report) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(w.opts.Repairs)
	for i := range p.found {
		f := &p.found[i]
		if !f.Has(Incomplete) || f.Has(Gone) {
			continue
		}
		group.Go(func() error {
			if w.failures.Load() >= int64(w.opts.Repairs) {
				return nil
			}
			sent, err := w.mend(ctx, p, f)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrDamaged):
				f.Words = append(f.Words, Damaged)
				p.sum.Words[Damaged]++
			case errors.Is(err, fs.ErrNotExist): // since the listing
				f.Words = append(f.Words, Gone)
				p.sum.Words[Gone]++
			case err != nil:
				w.failures.Add(1)
				r.Resent.Failed++
				w.opts.Logger.Warn("a batch could not be sent again; it is tried again later", "batch", f.ID.String(), "err", err)
			case sent > 0:
				w.failures.Store(0)
				r.Resent.Batches, r.Resent.Lines = r.Resent.Batches+1, r.Resent.Lines+int64(sent)
				if f.Has(Late) {
					r.Resent.Late++
				}
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
}

// attempt is the object that says that a batch is sent again.
type attempt struct {
	At    time.Time `json:"at"` // by the clock of the batches' store
	Lines int       `json:"lines"`
	Late  bool      `json:"late,omitempty"`
}

const mostPause = 6 * time.Hour

// lateAttempt ends the name of an empty object beside the attempts: lines of the batch were sent again when hours were closed.
const lateAttempt = "late"

// mend sends what is missing of a batch, if it is time and no other auditor does.
func (w *repairer) mend(ctx context.Context, p *part, f *Finding) (sent int, err error) {
	key := func(n int) string { return w.Batches.key(repairFolder, f.ID, fmt.Sprint("-", n)) }
	if f.Repairs > 0 {
		var last attempt
		body, err := w.Batches.store.Read(ctx, key(f.Repairs), 1<<16)
		if err == nil {
			err = json.Unmarshal(body, &last)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("audit: %s: %w", key(f.Repairs), err)
		}
		if !p.judge.due(last.At) || p.judge.now.Before(last.At.Add(retry.Pause(w.opts.Deadline, mostPause, f.Repairs))) {
			return 0, nil
		}
	}
	lines, err := w.Batches.Lines(ctx, f.ID)
	if err != nil {
		return 0, err
	}
	b := p.tally.batches[f.ID]
	lines = slices.DeleteFunc(lines, func(l Line) bool { return b.came.has(l.Mark.Line) || b.dead.has(l.Mark.Line) })
	if len(lines) == 0 { // it was registered with more than it has
		return 0, nil
	}
	at, err := w.Batches.now(ctx)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(attempt{at, len(lines), f.Has(Late)})
	if err != nil {
		return 0, err
	}
	if err := w.Batches.store.Create(ctx, key(f.Repairs+1), body); err != nil {
		if errors.Is(err, fs.ErrExist) { // another auditor, or a reply that was lost: then it waits for the next attempt
			return 0, nil
		}
		return 0, err
	}
	if f.Has(Late) {
		if err := w.Batches.create(ctx, w.Batches.key(repairFolder, f.ID, "-"+lateAttempt), nil); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, w.opts.Deadline)
	defer cancel()
	if err := w.send.Send(ctx, lines); err != nil {
		return 0, err
	}
	return len(lines), nil
}
