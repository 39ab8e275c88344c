package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/onceflow/onceflow/sink"
)

// Check compares the batches that were begun from from on and before to with what a job has noted of them. It writes
// nothing. It needs memory for the batches of three hours, or of three of the job's hours if these are longer.
//
// What cannot be read is in Report.Away. An error says that nothing can be said at all.
func Check(ctx context.Context, c Config, from, to time.Time, opts *Options) (*Report, error) {
	a, err := newAuditor(c, opts)
	if err != nil {
		return nil, err
	}
	h, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	r := a.round(ctx, h, from.UTC(), to.UTC(), nil, nil)
	return r, ctx.Err()
}

// auditor does rounds of an audit.
type auditor struct {
	Config
	opts     Options
	clock    *clock // of the batches' store. A step of it must make nothing missing, and nothing expire
	listings listings
}

func newAuditor(c Config, opts *Options) (*auditor, error) {
	o, err := opts.filled()
	if err := errors.Join(c.check(), err); err != nil {
		return nil, err
	}
	return &auditor{Config: c, opts: o, clock: newClock(c.Batches)}, nil
}

// head is what a round knows before it reads of batches.
type head struct {
	judge
	notes *sink.Notes // nil if there are none
}

// begin reads the clock, how far the job has got, and where its notes are. Its error is an *awayError.
func (a *auditor) begin(ctx context.Context) (*head, error) {
	h := &head{judge: judge{opts: &a.opts}}
	if err := within(ctx, a.opts.Patience, a.clock.look); err != nil {
		return nil, &awayError{InBatches, fmt.Errorf("audit: read the clock of the batches' store: %w", err)}
	}
	h.now, _ = a.clock.now()
	err := within(ctx, 3*a.opts.Patience, func(ctx context.Context) (err error) { // a ledger is many objects
		if h.progress, err = a.progress(ctx); err != nil {
			return err
		}
		h.notes, err = sink.OpenNotes(ctx, a.Output, a.Job, Notes, &sink.ReadOptions{Prefix: a.Prefix})
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, &awayError{InNotes, fmt.Errorf("audit: read the ledger of job %q: %w", a.Job, err)}
	}
	return h, nil
}

// blank is a report of a window without batches.
func blank(from, to, now time.Time) *Report {
	return &Report{From: from, To: to, At: now, Sum: Sum{Words: map[Word]int64{}}, Batches: []Finding{}}
}

// awayFrom says in the report that a part of the window could not be read.
func (r *Report) awayFrom(from, to time.Time, err error) {
	gone := Away{from, to, InNotes, err.Error()}
	var at *awayError
	if errors.As(err, &at) {
		gone.What = at.place
	}
	r.Away = append(r.Away, gone)
}

// part is what was found in a part of the window.
type part struct {
	from, to time.Time
	err      error // it could not be read
	sum      Sum
	found    []Finding // the first Options.Most that are not only complete
	lost     []lost    // what can be sent again
}

// lost is an incomplete batch that can be sent again.
type lost struct {
	id      ID
	repairs int // attempts so far
	late    bool
	came    lineSet
}

// round audits a window, part by part, but for those that are known by their beginning. each, if set, is called with each
// part that was read; it may change what was found.
func (a *auditor) round(ctx context.Context, h *head, from, to time.Time, known map[time.Time]*part, each func(*part)) *Report {
	r := blank(from, to, h.now)
	r.Reached, r.Why = h.reached, h.why
	known = maps.Clone(known) // each may add to it meanwhile
	for next := range a.parts(ctx, h, from, to, known) {
		p := <-next
		switch {
		case ctx.Err() != nil: // the others end by it
		case p.err != nil:
			r.awayFrom(p.from, p.to, p.err)
		default:
			if each != nil && known[p.from] == nil {
				each(p)
			}
			r.Sum.add(&p.sum)
			r.Batches = append(r.Batches, p.found[:min(len(p.found), max(0, a.opts.Most-len(r.Batches)))]...)
		}
	}
	return r
}

// partsAhead is how many parts are read at once: a bucket answers a listing page by page, and an hour may have a hundred.
const partsAhead = 3

// parts audits the parts of a window beside each other, and gives them in order.
func (a *auditor) parts(ctx context.Context, h *head, from, to time.Time, known map[time.Time]*part) <-chan chan *part {
	all, down := make(chan chan *part, partsAhead-2), newOutage()
	go func() {
		defer close(all)
		step := max(h.hour, time.Hour)
		for at := from; at.Before(to) && ctx.Err() == nil; {
			end := at.Truncate(step).Add(step)
			if end.After(to) {
				end = to
			}
			result, p, begin := make(chan *part, 1), known[at], at
			if p != nil {
				result <- p
			} else {
				go func() { result <- a.part(ctx, h, down, begin, end) }()
			}
			all <- result
			at = end
		}
	}()
	return all
}

// part audits the batches that were begun from from on and before to.
func (a *auditor) part(ctx context.Context, h *head, down *outage, from, to time.Time) *part {
	p := &part{from: from, to: to, sum: Sum{Words: map[Word]int64{}}}
	t := &tally{from: from, to: to, batches: map[ID]*tallied{}}
	if p.err = t.read(ctx, a, h.notes, down); p.err != nil {
		return p
	}
	for _, id := range t.ids() {
		f, came := h.finding(id, t.batches[id], &p.sum)
		if (len(f.Words) > 1 || len(f.Words) == 1 && f.Words[0] != Complete) && len(p.found) < a.opts.Most {
			p.found = append(p.found, f)
		}
		if f.Has(Incomplete) && !f.Has(Gone) && !f.Has(Expired) {
			p.lost = append(p.lost, lost{id, f.Repairs, f.Has(Late), came})
		}
	}
	return p
}
