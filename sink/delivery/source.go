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
			if err == nil && len(u.Files) == 0 {
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
			if err == nil {
				err = s.merged(&m)
			}
			if !yield(s.unit(Cursor{Ledger: t.Ledger, Entry: m.Entry}, m.Files), err) || err != nil {
				return
			}
		}
	}
}

// merged refuses a transaction whose rows are in packs: they are in files once the hour is sealed.
func (s *source) merged(m *manifest.Transaction) error {
	for i := range m.Packs {
		if s.wants(m.Packs[i].Flow) {
			return fmt.Errorf("delivery: entry %d has rows of flow %q in a pack, since the flow is merged: deliver sealed hours (Options.Hourly), or other flows",
				m.Entry, m.Packs[i].Flow)
		}
	}
	return nil
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
			if err := s.merged(&m); err != nil {
				return nil, err
			}
			return s.unit(c, m.Files), nil
		}
		break
	}
	return nil, fmt.Errorf("delivery: entry %d of job %q has no manifest: %w", c.Entry, s.job, fs.ErrNotExist)
}
