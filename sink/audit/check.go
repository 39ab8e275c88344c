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
	return a.round(ctx, from, to, nil, nil)
}

// auditor does rounds of an audit.
type auditor struct {
	Config
	opts Options
}

func newAuditor(c Config, opts *Options) (*auditor, error) {
	o, err := opts.filled()
	if err := errors.Join(c.check(), err); err != nil {
		return nil, err
	}
	return &auditor{c, o}, nil
}

// part is what was found in a part of the window.
type part struct {
	from, to time.Time
	err      error // it could not be read
	sum      Sum
	found    []Finding // all that are not only complete
	judge    *judge
	tally    *tally
}

// round audits a window, part by part, but for those that are known by their beginning. each, if set, is called with each
// part that was read; it may change what was found.
func (a *auditor) round(ctx context.Context, from, to time.Time, known map[time.Time]*part, each func(*part, *Report)) (*Report, error) {
	now, err := a.Batches.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: read the clock of the batches' store: %w", err)
	}
	p, err := a.progress(ctx)
	if err != nil {
		return nil, err
	}
	notes, err := sink.OpenNotes(ctx, a.Output, a.Job, Notes, &sink.ReadOptions{Prefix: a.Prefix})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("audit: %w", err)
	}
	r := &Report{From: from.UTC(), To: to.UTC(), At: now, Reached: p.reached, Why: p.why, Sum: Sum{Words: map[Word]int64{}}, Batches: []Finding{}}
	j := &judge{now: now, progress: p, opts: &a.opts}
	known = maps.Clone(known) // each may add to it meanwhile
	for next := range a.parts(ctx, j, notes, from.UTC(), to.UTC(), known) {
		p := <-next
		switch {
		case ctx.Err() != nil: // the others end by it
		case p.err != nil:
			gone := Away{p.from, p.to, InNotes, p.err.Error()}
			var at *awayError
			if errors.As(p.err, &at) {
				gone.What = at.place
			}
			r.Away = append(r.Away, gone)
		default:
			if each != nil && known[p.from] == nil {
				each(p, r)
			}
			r.Sum.add(&p.sum)
			r.Batches = append(r.Batches, p.found[:min(len(p.found), max(0, a.opts.Most-len(r.Batches)))]...)
		}
	}
	return r, ctx.Err()
}

// partsAhead is how many parts are read at once: a bucket answers a listing page by page, and an hour may have a hundred.
const partsAhead = 3

// parts audits the parts of a window beside each other, and gives them in order.
func (a *auditor) parts(ctx context.Context, j *judge, notes *sink.Notes, from, to time.Time, known map[time.Time]*part) <-chan chan *part {
	all := make(chan chan *part, partsAhead-2)
	go func() {
		defer close(all)
		step := max(j.hour, time.Hour)
		for at := from; at.Before(to) && ctx.Err() == nil; {
			end := at.Truncate(step).Add(step)
			if end.After(to) {
				end = to
			}
			result, p, begin := make(chan *part, 1), known[at], at
			if p != nil {
				result <- p
			} else {
				go func() { result <- a.part(ctx, j, notes, begin, end) }()
			}
			all <- result
			at = end
		}
	}()
	return all
}

// part audits the batches that were begun from from on and before to.
func (a *auditor) part(ctx context.Context, j *judge, notes *sink.Notes, from, to time.Time) *part {
	p := &part{from: from, to: to, judge: j, sum: Sum{Words: map[Word]int64{}}}
	p.tally = &tally{from: from, to: to, batches: map[ID]*tallied{}}
	if p.err = p.tally.read(ctx, &a.Config, notes); p.err != nil {
		return p
	}
	for _, id := range p.tally.ids() {
		f := j.finding(id, p.tally.batches[id], &p.sum)
		if len(f.Words) > 1 || len(f.Words) == 1 && f.Words[0] != Complete {
			p.found = append(p.found, f)
		}
	}
	return p
}
