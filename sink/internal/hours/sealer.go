package hours

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/merge"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/driver"
)

// sealAfter is the longest time that the sealer leaves an hour to the instance that closed it, mergeAfter the longest time
// until it helps to merge one.
const (
	sealAfter  = 10 * time.Second
	mergeAfter = 2 * time.Second
)

// Sealer writes the objects that readers of closed hours look at.
//
// At most one Close at a time is without seals, since nobody closes the next hours before it knows that the seals of the
// last ones exist. So a process needs to look only at the last Close.
type Sealer struct {
	journal   *journal.Journal
	publisher *upkeep.Publisher
	leftovers *upkeep.Leftovers
	clock     *clock.Clock
	merger    *merge.Merger
	opts      Options

	now      *unsealed // nil if nothing is known of the last Close
	unmerged error     // why a unit of it is left to others, if one is
}

// seal writes the manifests and seal objects of closed hours that are not known to be sealed, and marks them as sealed. It
// reports whether all closed hours are sealed.
func (s *Sealer) seal(ctx context.Context, now time.Time) (bool, error) {
	c, err := s.journal.Unsealed(ctx, s.publisher.Sealed())
	if err != nil {
		return false, err
	}
	if c == nil { // others may have sealed what we were merging
		s.now, s.unmerged = nil, nil
		s.merger.Forget()
		return true, nil
	}
	after := sealAfter
	if c.Close.Merge != nil { // there is work for everybody
		after = mergeAfter
	}
	if !c.Ours && !s.leftovers.Due(c.Entry, now, after) {
		return false, nil
	}
	if done, err := s.write(ctx, c); err != nil || !done {
		return false, err
	}
	s.leftovers.Done(c.Entry)
	at := time.Time{}
	if c.Close.Merge != nil {
		if at, err = s.clock.Now(ctx, s.journal.Log, s.journal.View().At); err != nil {
			return false, err
		}
		at = when.Later(at, s.clock.Latest()) // while the clock is in doubt: packs may be kept for longer, not for less
	}
	var marked time.Time
	s.journal.Look(func(s *ledger.State) { marked = s.Hours.Sealed })
	s.publisher.NoteSealed(c.Close.Through, at, marked)
	s.now, s.unmerged = nil, nil
	s.merger.Forget()
	s.journal.Log.Info("sealed hours", "from", c.Close.From, "through", c.Close.Through)
	// The mark saves others from finding out what is published and sealed. Nothing depends on it, so it gives way to
	// everything else.
	_, err = s.journal.Add(ctx, s.publisher.Entry(ledger.KindMark), nil)
	if errors.Is(err, driver.ErrFenced) {
		err = nil // another entry has said it all
	}
	return true, err
}

// unsealedFrom returns the first hour of a Close that lacks a seal; the Close's end if none does. Another process may have
// died after it wrote some, or all without marking them. After a stop of all instances each finds the same Close, and
// making its seals may take thousands of reads. Seals are written in order, so one hour's seals show that all before it are
// there.
func (s *Sealer) unsealedFrom(ctx context.Context, c *journal.Closing) (time.Time, error) {
	if !c.Sealed.IsZero() {
		return c.Sealed, nil
	}
	g := s.journal.Genesis()
	n := int(g.Hours(c.Close.From, c.Close.Through))
	hour := func(i int) time.Time { return g.Border(c.Close.From, int64(i)) }
	if there, err := s.exist(ctx, c, hour(n-1)); err != nil || there {
		return c.Close.Through, err
	}
	var failed error
	first := sort.Search(n-1, func(i int) bool {
		if failed != nil {
			return true
		}
		there, err := s.exist(ctx, c, hour(i))
		failed = err
		return !there
	})
	return hour(first), failed
}

// exist reports whether an hour's manifest and all its seals are there. It takes from the manifest which flows have a seal,
// since the entries of the hour would all have to be read.
func (s *Sealer) exist(ctx context.Context, c *journal.Closing, hour time.Time) (bool, error) {
	m, err := s.journal.Objects.Hour(ctx, hour, s.journal.Genesis().Hour)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	flows := sealed(m)
	for _, flow := range flows {
		key := s.key(c, flow, hour)
		if there, err := s.journal.Objects.Exists(ctx, key); err != nil || !there {
			return false, wrap("look for "+key, err)
		}
	}
	return true, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sink: %s: %w", what, err)
}

// sealed returns the flows that get a seal in an hour: those of its Close, and those with files in it. An instance of
// another version may have written such files before the Close, and the closer need not know those flows.
func sealed(m *manifest.Hour) []string { return slices.Sorted(maps.Keys(m.Flows)) }

func (s *Sealer) key(c *journal.Closing, flow string, hour time.Time) string {
	return string(s.opts.Layout.Folder(flow, files.Data, hour)) + c.Close.Seal
}

// write creates, for each hour of a Close, first its manifest and then the seal objects of all flows. Readers rely on the
// order of the hours: no manifest and no seal comes before the one of the hour before. A job that begins with events of
// long ago has thousands of empty hours. So the next hour's manifest is made beside an hour's seals, and an interrupted
// call goes on where it was.
//
// An hour with packs is merged first. That may take several calls: write reports whether all hours are sealed.
func (s *Sealer) write(ctx context.Context, c *journal.Closing) (bool, error) {
	from, err := s.unsealedFrom(ctx, c)
	if err != nil || !from.Before(c.Close.Through) {
		return err == nil, err
	}
	c.Sealed = from
	if err := s.look(ctx, c, from); err != nil {
		return false, err
	}
	m, err := s.manifest(ctx, c, from)
	if err != nil || m == nil {
		return false, err
	}
	if err := s.createManifest(ctx, m); err != nil {
		return false, err
	}
	for {
		var next *manifest.Hour
		more := m.End.Before(c.Close.Through)
		if more && !s.now.merges(m.End) { // else this hour's seals would wait for the merge
			if next, err = s.manifest(ctx, c, m.End); err != nil {
				return false, err
			}
		}
		if err := s.sealHour(ctx, c, m, next); err != nil {
			return false, err
		}
		if c.Sealed = m.End; !more {
			return true, nil
		}
		if next == nil {
			if next, err = s.manifest(ctx, c, m.End); err != nil || next == nil {
				return false, err
			}
			if err := s.createManifest(ctx, next); err != nil {
				return false, err
			}
		}
		m = next
	}
}

// look finds out what the hours of a Close have that begin at from or later.
func (s *Sealer) look(ctx context.Context, c *journal.Closing, from time.Time) error {
	if s.now != nil && s.now.entry == c.Entry {
		return nil
	}
	left := maps.Clone(c.Hours)
	maps.DeleteFunc(left, func(hour time.Time, _ ledger.Hour) bool { return hour.Before(from) })
	has, err := hourContents(ctx, s.journal, left)
	if err == nil {
		s.now = &unsealed{entry: c.Entry, contents: has}
	}
	return err
}

// manifest merges an hour and returns its manifest; nil if it is not merged yet.
func (s *Sealer) manifest(ctx context.Context, c *journal.Closing, hour time.Time) (*manifest.Hour, error) {
	if done, err := s.merge(ctx, c, hour); err != nil || !done {
		return nil, err
	}
	files, err := s.now.merged(hour)
	if err != nil {
		return nil, err
	}
	return hourManifest(s.journal.Folder.Job, c, hour, files), nil
}

func (s *Sealer) createManifest(ctx context.Context, m *manifest.Hour) error {
	body, err := journal.EncodeManifest(m)
	if err != nil {
		return err
	}
	return s.createSame(ctx, s.journal.Objects.Root+ledger.HourName(m.Hour, s.journal.Genesis().Hour), body)
}

// sealHour creates the seals of an hour whose manifest exists, and the manifest of the next, if there is one.
func (s *Sealer) sealHour(ctx context.Context, c *journal.Closing, m, next *manifest.Hour) error {
	flows := sealed(m)
	n := len(flows)
	if next != nil {
		n++
	}
	return s.journal.Objects.Env.Each(ctx, n, func(ctx context.Context, i int) error {
		if i == len(flows) {
			return s.createManifest(ctx, next)
		}
		return s.createSame(ctx, s.key(c, flows[i], m.Hour), []byte{})
	})
}

// createSame creates an object. Success, too, is that it exists with the same content.
func (s *Sealer) createSame(ctx context.Context, key string, body []byte) error {
	o := s.journal.Objects
	return retry.Insist(ctx, o.Env, s.journal.Log, "create "+key, func(ctx context.Context) error {
		err := o.Store.Create(ctx, key, body)
		if !errors.Is(err, fs.ErrExist) {
			return wrap("create "+key, err)
		}
		there, err := o.Store.Read(ctx, key, manifest.MaxBytes)
		if err != nil {
			return wrap("read "+key, err)
		}
		if !bytes.Equal(there, body) {
			return &ledger.CorruptError{Object: key, Reason: "it exists with another content: is it another job's, or was it changed?"}
		}
		return nil
	})
}
