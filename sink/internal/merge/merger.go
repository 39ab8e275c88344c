package merge

import (
	"cmp"
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
	memory   int64                  // of the job; 0 is not bounded
	contents contents
}

// Known is what files a process can make. Built-in codecs are known beside those of its flows.
type Known struct {
	Codecs []codec.Codec
	Joins  []format.Join
}

// New returns a Merger. memory bounds that of the job, unless it is 0.
func New(j *journal.Journal, l files.Layout, known Known, memory int64) *Merger {
	m := &Merger{
		journal: j, layout: l, codecs: map[string]codec.Codec{}, joins: map[string]format.Join{}, memory: memory,
		contents: contents{store: j.Objects.Store, known: map[string]*pack.Contents{}},
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
	out := &output{
		store: o.Store, env: o.Env, owner: u.Owner(o.Root), most: plan.FileBytes, random: string(journal.NewToken(o.Env))[:12],
		folder: string(m.layout.Folder(u.Flow, files.Data, u.Hour)),
		codecs: m.codecs, joins: m.joins, memory: cmp.Or(m.memory/4, joinMemory),
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
	merging, err := m.open(ctx, u, packs)
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
		if err := out.add(ctx, s.at.Path(), &s.contents.Head, p, s.at.Rows()); err != nil {
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

// memory is how many bytes of packs are read at once. A unit that has more is read segment by segment.
var memory int64 = 64 << 20

// open opens the packs that have something of u, at their first pieces.
func (m *Merger) open(ctx context.Context, u ledger.Unit, packs []ledger.File) (*merging, error) {
	from, to := u.First, u.First+u.Number
	sources := make([]*source, len(packs))
	err := m.journal.Objects.Env.Wide().Each(ctx, len(packs), func(ctx context.Context, i int) error {
		c, err := m.contents.of(ctx, &packs[i])
		sources[i] = &source{file: &packs[i], order: i, contents: c}
		return err
	})
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, s := range sources {
		if s.places = s.contents.Segments(from, to); len(s.places) > 0 {
			total += s.end() - s.begin()
		}
	}
	whole := total <= memory
	bodies := make([][]byte, len(sources))
	if whole {
		err = m.journal.Objects.Env.Wide().Each(ctx, len(sources), func(ctx context.Context, i int) (err error) {
			if s := sources[i]; len(s.places) > 0 {
				bodies[i], err = readRange(ctx, m.journal.Objects.Store, s.file.Key, s.begin(), s.end()-s.begin())
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for i, s := range sources {
		if len(s.places) == 0 {
			continue
		}
		s.at = pack.NewCursor(s.places, from, to, func(p pack.Place) (b []byte, err error) {
			if whole {
				return bodies[i][p.Offset-s.begin() : p.End()-s.begin()], nil
			}
			b, s.unread = readRange(ctx, m.journal.Objects.Store, s.file.Key, p.Offset, p.Index+p.Bytes)
			return b, s.unread
		})
	}
	x := &merging{}
	for _, s := range sources {
		if s.at == nil {
			continue
		}
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
