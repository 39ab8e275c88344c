package delivery

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/sink/manifest"
)

// source makes units of what a job has written.
type source struct {
	store     sink.Store // as it is: its readers try again themselves
	content   *content.Reader
	job, name string
	opts      *Options
	seen      func(entry uint64) // is told of each entry that was read; may be nil
}

// skips is after how many transactions without files a unit without files moves the cursor, so that a start never reads many
// more manifests.
const skips = 256

// units yields those behind from, in order. Those without files are left out, but for one in skips.
func (s *source) units(ctx context.Context, from Cursor, t sink.Tail) iter.Seq2[*Unit, error] {
	all := s.transactions(ctx, from, t)
	if s.opts.Hourly {
		all = s.hours(ctx, from, t)
	}
	return func(yield func(*Unit, error) bool) {
		empty := 0
		for u, err := range all {
			if err == nil && u.empty() {
				if empty++; empty%skips != 0 {
					continue
				}
			}
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}

func (s *source) transactions(ctx context.Context, from Cursor, t sink.Tail) iter.Seq2[*Unit, error] {
	after := s.opts.After
	if !from.IsZero() {
		after = from.Entry
	}
	return func(yield func(*Unit, error) bool) {
		for m, err := range sink.Committed(ctx, s.store, s.job, after, s.opts.read(s.opts.Poll, s.seen)) {
			if err != nil {
				yield(nil, err)
				return
			}
			u, err := s.transaction(Cursor{Ledger: t.Ledger, Entry: m.Entry}, &m)
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}

// transaction makes the unit of a transaction. Packs are refused unless the target is known to read them: a target that loads
// files alone would lose their rows without a word.
func (s *source) transaction(c Cursor, m *manifest.Transaction) (*Unit, error) {
	u := s.unit(c, m.Files)
	for i := range m.Packs {
		p := &m.Packs[i]
		if !s.wants(p.Flow) {
			continue
		}
		if !s.opts.Decoded {
			return nil, &LedgerError{Delivery: s.name, Why: fmt.Sprintf("entry %d has rows of flow %q in a pack, since the flow is merged. If the target takes its rows "+
				"from Rows or Unpack, say so (Options.Decoded); if it takes files, deliver sealed hours (Options.Hourly) under another name, or other flows", m.Entry, p.Flow)}
		}
		u.Packs = append(u.Packs, *p)
	}
	return u, nil
}

// wants reports whether files of a flow are delivered.
func (s *source) wants(flow string) bool {
	return len(s.opts.Flows) == 0 || slices.Contains(s.opts.Flows, flow)
}

func (s *source) hours(ctx context.Context, from Cursor, t sink.Tail) iter.Seq2[*Unit, error] {
	first := s.opts.From
	if !from.IsZero() {
		first = from.Hour.Add(t.Hour)
	}
	return func(yield func(*Unit, error) bool) {
		for m, err := range sink.Hours(ctx, s.store, s.job, first, s.opts.read(s.opts.Poll, nil)) {
			u := s.unit(Cursor{Ledger: t.Ledger, Entry: m.Entry, Hour: m.Hour}, m.Files)
			if !m.ClosedAt.IsZero() {
				u.seen = m.ClosedAt
			}
			if !yield(u, err) {
				return
			}
		}
	}
}

func (s *source) unit(c Cursor, files []manifest.File) *Unit {
	u := &Unit{ID: unitID(s.name, c), Delivery: s.name, Job: s.job, Cursor: c, content: s.content, seen: time.Now()}
	for _, f := range files {
		rows := f.Kind == manifest.OnTime || f.Kind == manifest.Late
		if rows && s.wants(f.Flow) {
			u.Files = append(u.Files, f)
		}
	}
	return u
}

// find makes the unit of a cursor anew.
func (s *source) find(ctx context.Context, c Cursor) (*Unit, error) {
	opts := s.opts.read(-1, nil)
	if !c.Hour.IsZero() {
		m, err := sink.Sealed(ctx, s.store, s.job, c.Hour, opts)
		if err != nil {
			return nil, err
		}
		return s.unit(c, m.Files), nil
	}
	for m, err := range sink.Committed(ctx, s.store, s.job, c.Entry-1, opts) {
		if err != nil {
			return nil, err
		}
		if m.Entry == c.Entry {
			return s.transaction(c, &m)
		}
		break
	}
	return nil, fmt.Errorf("delivery: entry %d of job %q has no manifest: %w", c.Entry, s.job, fs.ErrNotExist)
}
