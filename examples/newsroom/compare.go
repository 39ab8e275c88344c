package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream"
)

// result is what came out, read from the store.
type result struct {
	counts stream.Counts
	read   int64
	rows   map[string]int64
	late   int64 // rows of stragglers that were late, of flow clicks
	pairs  int64
	twice  int64 // IDs that are in the flow all more than once
	sealed time.Time
}

// measure reads manifests, and the rows of the flow all, with nothing of the pipeline.
func measure(ctx context.Context, store sink.Store) (*result, error) {
	r := &result{rows: map[string]int64{}}
	state, err := sink.Inspect(ctx, store, job, nil)
	if err != nil {
		return nil, err
	}
	r.counts, r.read, r.sealed = state.Counts, state.Read, state.Sealed
	// The ledger says through when hours are sealed some entries later.
	for s, err := range seal.Read(ctx, store, job, r.sealed, &seal.ReadOptions{Poll: -1}) {
		if err != nil {
			return nil, err
		}
		r.sealed = s.Hour.Add(time.Hour)
	}
	seen := map[string]bool{}
	for m, err := range sink.Committed(ctx, store, job, 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			return nil, err
		}
		for _, f := range m.Files {
			switch f.Kind {
			case manifest.OnTime:
				r.rows[f.Flow] += f.Rows
			case manifest.Late:
				r.rows[f.Flow] += f.Rows
				if f.Flow == "clicks" {
					r.late += f.Rows
				}
			case manifest.Dead, manifest.Note:
				continue
			}
			if f.Flow != "all" {
				continue
			}
			if err := eachHit(ctx, store, f.Key, func(h *Hit) error {
				if seen[h.ID] {
					r.twice++
				}
				seen[h.ID] = true
				if h.wasRead() {
					r.pairs++
				}
				return nil
			}); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// eachHit reads the rows of a file of the flow all.
func eachHit(ctx context.Context, store sink.Store, key string, each func(h *Hit) error) error {
	body, err := store.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var h Hit
		err := json.Unmarshal(lines.Bytes(), &h)
		if err == nil {
			err = each(&h)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// compare prints truth and result side by side and reports whether they are the same.
func compare(w io.Writer, flows []sink.Flow[Hit], truth *Truth, got *result) (same bool) {
	same = true
	row := func(what string, want, is int64) {
		mark := ""
		if want != is {
			mark, same = "   <-- differs", false
		}
		fmt.Fprintf(w, "%-34s %12d %12d%s\n", what, want, is, mark)
	}
	fmt.Fprintf(w, "%-34s %12s %12s\n", "", "truth", "result")
	row("records read", truth.read(), got.read)
	// A straggler is on time or late, as commits were cut; either way it is there once.
	row("  written, or late", truth.Counts[stream.Written], got.counts[stream.Written]+got.counts[stream.Late])
	for _, f := range []stream.Fate{stream.Merged, stream.Filtered, stream.Duplicate, stream.Dead} {
		row("  "+f.String(), truth.Counts[f], got.counts[f])
	}
	for _, f := range flows {
		row("rows of "+f.Name, truth.Rows[f.Name], got.rows[f.Name])
	}
	row("loads that met their beat", truth.Pairs, got.pairs)
	row("IDs written twice", 0, got.twice)
	if got.late > truth.Stragglers {
		row("late, at most the stragglers", truth.Stragglers, got.late)
	} else {
		fmt.Fprintf(w, "%-34s %12d %12d\n", "stragglers, and those too late", truth.Stragglers, got.late)
	}
	if truth.LastHour.IsZero() { // live traffic: its hours are not over
		return same
	}
	fmt.Fprintf(w, "%-34s %12s %12s\n", "sealed through", truth.LastHour.Add(time.Hour).Format("15:04"), got.sealed.Format("15:04"))
	return same && !got.sealed.Before(truth.LastHour.Add(time.Hour))
}
