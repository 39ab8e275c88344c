package merge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/internal/retry"
	streamdriver "github.com/onceflow/onceflow/stream/driver"
)

// ErrUnknown is a unit that this process cannot merge, since it does not know the codec or the format of its packs. Others may.
var ErrUnknown = errors.New("sink: this process does not know how to merge these packs; one does that has a flow with their format and codec, even if the " +
	"flow wants no event")

// Merger merges units. One goroutine at a time may use it.
type Merger struct {
	journal  *journal.Journal
	layout   files.Layout
	codecs   map[string]codec.Codec // of our flows, by extension
	joins    map[string]format.Join // of our flows, by name
	budget   *streamdriver.Budget
	contents contents
}

// Known is what files a process can make. Built-in codecs are known beside those of its flows.
type Known struct {
	Codecs []codec.Codec
	Joins  []format.Join
}

// New returns a Merger. What it has in memory counts in budget.
func New(j *journal.Journal, l files.Layout, known Known, budget *streamdriver.Budget) *Merger {
	m := &Merger{
		journal: j, layout: l, codecs: map[string]codec.Codec{}, joins: map[string]format.Join{}, budget: budget,
		contents: contents{store: j.Objects.Store, known: map[string]*pack.Contents{}, held: held{budget: budget}},
	}
	for _, c := range []codec.Codec{codec.None, codec.Gzip, codec.Zstd, codec.LZ4, codec.S2, codec.Snappy} {
		m.codecs[c.Ext()] = c
	}
	for _, c := range known.Codecs {
		m.codecs[c.Ext()] = c
	}
	for _, j := range known.Joins {
		m.joins[j.Name()] = j
	}
	return m
}

// Forget frees what is kept of packs, once an hour is sealed.
func (m *Merger) Forget() { m.contents.forget() }

// Merge returns the record of a unit, which it makes of the packs, in the order of their entries, if there is none. It does
// not publish its files.
func (m *Merger) Merge(ctx context.Context, u ledger.Unit, plan *ledger.Merge, packs []ledger.File) (*ledger.Merged, error) {
	if r, err := m.journal.Objects.Merged(ctx, u); r != nil || err != nil {
		return r, err
	}
	o := m.journal.Objects
	h := &held{budget: m.budget}
	defer h.free()
	out := &output{
		held: h, store: o.Store, env: o.Env, owner: u.Owner(o.Root), most: plan.FileBytes, random: string(journal.NewToken(o.Env))[:12],
		folder: string(m.layout.Folder(u.Flow, files.Data, u.Hour)),
		codecs: m.codecs, joins: m.joins, memory: h.share(4, joinMemory),
	}
	rec, err := m.make(ctx, u, packs, out)
	if err != nil {
		// Who has finished the unit may have had its packs deleted since.
		if r, failed := m.journal.Objects.Merged(ctx, u); r != nil && failed == nil {
			rec, err = r, nil
		}
		if failed := out.abort(ctx); failed != nil {
			m.journal.Log.Warn("cannot delete staged files; the sweeper will", "err", failed)
		}
		return rec, err
	}
	return m.settle(ctx, rec, out)
}

// settle creates the record, unless somebody else was faster, and returns the one that is there. What was staged is deleted
// only when the record is seen to be another's.
func (m *Merger) settle(ctx context.Context, rec *ledger.Merged, out *output) (*ledger.Merged, error) {
	body, err := rec.Encode()
	if err != nil {
		return nil, retry.Stop(err)
	}
	o := m.journal.Objects
	created := o.Store.Create(ctx, o.Root+rec.Name(), body)
	if created != nil && !errors.Is(created, fs.ErrExist) {
		created = fmt.Errorf("sink: create %s: %w", rec.Name(), created)
	}
	there, err := o.Merged(ctx, rec.Unit)
	switch {
	case err != nil:
		return nil, err
	case there == nil && created == nil:
		return nil, &ledger.CorruptError{Object: rec.Name(), Reason: "it was created, and is not there"}
	case there == nil:
		return nil, created // it may still come: nothing is deleted
	case there.Token != rec.Token:
		if err := out.abort(ctx); err != nil {
			m.journal.Log.Warn("cannot delete staged files; the sweeper will", "err", err)
		}
	}
	return there, nil
}

// make stages the files of a unit.
func (m *Merger) make(ctx context.Context, u ledger.Unit, packs []ledger.File, out *output) (*ledger.Merged, error) {
	merging, err := m.open(ctx, u, packs, out.held)
	if err != nil {
		return nil, err
	}
	rows := int64(0)
	for {
		s := merging.next()
		if s == nil {
			break
		}
		p := s.at.Piece()
		b, err := s.at.Rows()
		if err != nil {
			return nil, s.failed(err)
		}
		if err := out.add(ctx, s.at.Path(), &s.contents.Head, p, b); err != nil {
			return nil, err
		}
		rows += p.Rows
		if err := merging.step(s); err != nil {
			return nil, s.failed(err)
		}
	}
	list, err := out.finish(ctx)
	if err != nil {
		return nil, err
	}
	return &ledger.Merged{Unit: u, Token: journal.NewToken(m.journal.Objects.Env), Rows: rows, Files: list}, nil
}

// open opens the packs that have something of u, at their first pieces. A unit that fits into the merge's part of the budget is
// read at once, with one request for each pack; of a longer one each pack gets its share, again and again.
func (m *Merger) open(ctx context.Context, u ledger.Unit, packs []ledger.File, h *held) (*merging, error) {
	from, to := u.First, u.First+u.Number
	all := make([]*source, len(packs))
	wide := m.journal.Objects.Env.Wide()
	err := wide.Each(ctx, len(packs), func(ctx context.Context, i int) error {
		c, err := m.contents.of(ctx, &packs[i])
		all[i] = &source{file: &packs[i], order: i, contents: c, store: m.journal.Objects.Store, held: h}
		return err
	})
	if err != nil {
		return nil, err
	}
	var sources []*source
	total := int64(0)
	for _, s := range all {
		if s.places = s.contents.Segments(from, to); len(s.places) > 0 {
			sources = append(sources, s)
			total += s.length()
		}
	}
	window := total
	if most := h.readBytes(); total > most {
		window = most / int64(len(sources))
	}
	spare := pack.Spare{}
	for _, s := range sources {
		s.window = window
		fetch := s.segment
		if s.apart() {
			fetch = s.list
		}
		s.at = pack.NewCursor(s.places, from, to, func(p pack.Place) ([]byte, error) { return fetch(ctx, p) })
		if s.at.Share(&spare); s.apart() {
			s.at.Apart(blocks{ctx, s}, window)
		}
		h.add(cursorBytes)
	}
	err = wide.Each(ctx, len(sources), func(ctx context.Context, i int) (err error) {
		if s := sources[i]; !s.apart() {
			return s.fill(ctx)
		} else if s.first, err = s.list(ctx, s.places[0]); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	x := &merging{}
	for _, s := range sources {
		if err := x.step(s); err != nil {
			return nil, s.failed(err)
		}
	}
	return x, nil
}

// Publish makes the files of a record visible.
func (m *Merger) Publish(ctx context.Context, r *ledger.Merged) error {
	o := m.journal.Objects
	return o.Env.Wide().Each(ctx, len(r.Files), func(ctx context.Context, i int) error {
		f := &r.Files[i]
		return retry.Insist(ctx, o.Env, m.journal.Log, "publish "+f.Key, func(ctx context.Context) error {
			if err := o.Store.Publish(ctx, f.Ref); err != nil {
				if errors.Is(err, driver.ErrStagingLost) {
					return retry.Stop(fmt.Errorf("sink: the merged file %s is lost: %w", f.Key, err))
				}
				return fmt.Errorf("sink: publish %s: %w", f.Key, err)
			}
			return nil
		})
	})
}
