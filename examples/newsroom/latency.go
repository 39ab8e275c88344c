package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/onceflow/onceflow/sink"
)

// grace is join.Options.Grace as it is by default.
const grace = 10 * time.Second

// latency is how long rows took from their last record's way into the log to a manifest that has their file.
type latency struct {
	took []time.Duration
	lone int // loads without a beat, whose time begins when no beat can come any more
}

// watch reads every row of the flow all when it becomes visible, until it has seen as many as there must be.
func (l *live) watch(ctx context.Context, store sink.Store, window time.Duration) (*latency, error) {
	r := &latency{}
	for m, err := range sink.Committed(ctx, store, job, 0, &sink.ReadOptions{Poll: 50 * time.Millisecond}) {
		if err != nil {
			return r, err
		}
		now := time.Now()
		for _, f := range m.Files {
			if f.Flow != "all" {
				continue
			}
			if err := eachHit(ctx, store, f.Key, func(h *Hit) error {
				sent, err := l.sentAt(h)
				if err != nil {
					return err
				}
				if h.isLoad() && !h.wasRead() {
					r.lone++
					if left := h.At.Add(window + grace); left.After(sent) {
						sent = left
					}
				}
				r.took = append(r.took, now.Sub(sent))
				return nil
			}); err != nil {
				return r, err
			}
		}
		if int64(len(r.took)) >= l.truth.Rows["all"] {
			break
		}
	}
	return r, nil
}

// sentAt is when the last record that a row was made of was sent.
func (l *live) sentAt(h *Hit) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent, ok := l.sent[cmp.Or(h.PageView, h.ID)]
	if !ok {
		return sent, fmt.Errorf("hit %s was never sent", h.ID)
	}
	return sent, nil
}

// print reports whether 99 of 100 rows were visible a commit interval and two seconds after they could be.
func (r *latency) print(w io.Writer, commit time.Duration) (ok bool) {
	if len(r.took) == 0 {
		fmt.Fprintln(w, "no row became visible")
		return false
	}
	slices.Sort(r.took)
	at := func(p float64) time.Duration { return r.took[int(p*float64(len(r.took)-1))].Round(time.Millisecond) }
	most := commit + 2*time.Second
	fmt.Fprintf(w, "\nfrom the log to a visible file: median %s, p99 %s, longest %s, of %d rows; at a commit every %s the p99 may be %s\n",
		at(0.5), at(0.99), at(1), len(r.took), commit, most)
	fmt.Fprintf(w, "%d of them are loads that no beat followed; their time begins when none can come any more\n", r.lone)
	return at(0.99) <= most
}
