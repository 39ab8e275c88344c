package hours

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/merge"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/driver"
)

// unsealed is the Close whose hours are being merged and sealed, and what is known of it.
type unsealed struct {
	entry    uint64
	contents map[time.Time]*content
	hour     time.Time // of units
	units    []ledger.Unit
	records  map[string]*ledger.Merged // whose files are published, by the unit's name
	told     time.Time                 // when the log last said how far it is
}

// merges reports whether an hour has packs.
func (u *unsealed) merges(hour time.Time) bool {
	return u.contents[hour] != nil && len(u.contents[hour].packs) > 0
}

// left is how many units of the hour have no record that we know of, or files that are not published.
func (u *unsealed) left() int { return len(u.units) - len(u.records) }

// tellEvery is how often the log says how far a long merge is.
const tellEvery = 30 * time.Second

func bytesOf(packs []ledger.File) (n int64) {
	for i := range packs {
		n += packs[i].Length
	}
	return n
}

// unitsOf returns the units of an hour, all flows together.
func unitsOf(c *journal.Closing, hour time.Time, has *content) []ledger.Unit {
	var units []ledger.Unit
	for _, flow := range slices.Sorted(maps.Keys(has.packs)) {
		units = append(units, ledger.Units(c.Entry, hour, flow, bytesOf(has.packs[flow]), c.Close.Merge.UnitBytes)...)
	}
	return units
}

// merge merges what nobody has merged yet of an hour, and publishes all that was. It gives up after a while, so that other
// upkeep gets its turn, and reports whether the hour is done.
func (s *Sealer) merge(ctx context.Context, c *journal.Closing, hour time.Time) (bool, error) {
	u := s.now
	if !u.merges(hour) {
		return true, nil
	}
	has := u.contents[hour]
	if !u.hour.Equal(hour) {
		u.hour, u.units, u.records = hour, unitsOf(c, hour, has), map[string]*ledger.Merged{}
		s.shuffle(u.units)
	}
	if left := u.left(); s.journal.Objects.Env.Now().Sub(u.told) > tellEvery && left < len(u.units) {
		u.told = s.journal.Objects.Env.Now()
		s.journal.Log.Info("merging the packs of an hour", "hour", hour, "units", len(u.units), "left", left)
	}
	until, some := s.journal.Objects.Env.Now().Add(mergeFor), false
	for _, unit := range u.units {
		if u.records[unit.Name()] != nil {
			continue
		}
		if some && s.journal.Objects.Env.Now().After(until) {
			return false, nil
		}
		some = true
		r, err := s.merger.Merge(ctx, unit, c.Close.Merge, has.packs[unit.Flow])
		if errors.Is(err, merge.ErrUnknown) {
			if s.unmerged == nil {
				s.journal.Log.Warn("an hour waits for a process that can merge its packs", "hour", hour, "unit", unit.Name(), "err", err)
			}
			s.unmerged = fmt.Errorf("sink: hour %s: %w", hour.Format(time.RFC3339), err)
			continue
		}
		if err != nil {
			return false, err
		}
		if err := s.merger.Publish(ctx, r); err != nil {
			return false, err
		}
		u.records[unit.Name()] = r
	}
	return u.left() == 0, nil
}

// mergeFor is for how long units are begun before other upkeep gets its turn.
const mergeFor = 5 * time.Second

// shuffle brings units into a random order, so that instances rarely do the same.
func (s *Sealer) shuffle(units []ledger.Unit) {
	for i := len(units) - 1; i > 0; i-- {
		k := int(s.journal.Objects.Env.Rand() % uint64(i+1))
		units[i], units[k] = units[k], units[i]
	}
}

// merged returns all files of an hour: those of its transactions and those of its merge records, by key. It compares the
// rows of both with what the packs had.
func (u *unsealed) merged(hour time.Time) ([]manifest.File, error) {
	has := u.contents[hour]
	if has == nil {
		return nil, nil
	}
	files := slices.Clone(has.files)
	rows := map[string]int64{}
	for flow, packs := range has.packs {
		for i := range packs {
			rows[flow] += packs[i].Rows
		}
	}
	if len(has.packs) == 0 {
		return files, nil
	}
	for _, r := range u.records {
		rows[r.Flow] -= r.Rows
		for _, f := range r.Files {
			files = append(files, manifest.File{Flow: r.Flow, Hour: hour, Key: f.Key, Length: f.Length, Rows: f.Rows, CRC32C: fmt.Sprintf("%08x", f.CRC32C)})
		}
	}
	for flow, n := range rows {
		if n != 0 {
			return nil, &ledger.CorruptError{
				Object: "hour " + hour.Format(time.RFC3339), Reason: fmt.Sprintf("the merged files of flow %q lack %d rows of its packs", flow, n),
			}
		}
	}
	slices.SortFunc(files, func(a, b manifest.File) int { return cmp.Compare(a.Key, b.Key) })
	return files, nil
}

// merging returns the units of the hours that are not known to be sealed, by owner. The journal must have been read.
func (s *Sealer) merging(ctx context.Context) (map[string]ledger.Unit, error) {
	c, err := s.journal.Unsealed(ctx, time.Time{})
	if err != nil || c == nil || c.Close.Merge == nil {
		return nil, err
	}
	if err := s.look(ctx, c, c.Close.From); err != nil {
		return nil, err
	}
	units := map[string]ledger.Unit{}
	for hour, has := range s.now.contents {
		for _, u := range unitsOf(c, hour, has) {
			units[u.Owner(s.journal.Objects.Root)] = u
		}
	}
	return units, nil
}

// progress is how far the merge of the earliest hour is that is not sealed; nil if there is none.
func (s *Sealer) progress() *driver.Merge {
	u := s.now
	if u == nil || len(u.units) == 0 {
		return nil
	}
	m := &driver.Merge{Hour: u.hour, Units: len(u.units), Done: len(u.records)}
	for _, packs := range u.contents[u.hour].packs {
		m.Packs += len(packs)
		m.Bytes += bytesOf(packs)
	}
	return m
}

// FlowMerge is how far the merge of a flow's hour is.
type FlowMerge struct {
	Flow  string
	Units int
	Done  int // of them, with a record
	Packs int
	Bytes int64 // of these
}

// Merges says, by flow, how far the merge of an hour is that is closed and not known to be sealed. It returns nothing for
// other hours, and writes nothing.
func Merges(ctx context.Context, j *journal.Journal, hour time.Time) (all []FlowMerge, err error) {
	c, err := j.Unsealed(ctx, time.Time{})
	if err != nil || c == nil || c.Close.Merge == nil || hour.Before(c.Close.From) {
		return nil, err
	}
	had, closed := c.Hours[hour]
	if !closed || had.Packs == 0 {
		return nil, nil
	}
	has, err := hourContents(ctx, j, map[time.Time]ledger.Hour{hour: had})
	if err != nil {
		return nil, err
	}
	records := map[string]bool{}
	o := j.Objects
	for object, err := range o.Store.List(ctx, o.Root+ledger.MergeFolder(c.Entry), "") {
		if err != nil {
			return nil, fmt.Errorf("sink: list merge records: %w", err)
		}
		records[object.Key[len(o.Root):]] = true
	}
	units := unitsOf(c, hour, has[hour])
	for _, flow := range slices.Sorted(maps.Keys(has[hour].packs)) {
		packs := has[hour].packs[flow]
		f := FlowMerge{Flow: flow, Packs: len(packs), Bytes: bytesOf(packs)}
		for i := range units {
			if units[i].Flow == flow {
				if f.Units++; records[units[i].Name()] {
					f.Done++
				}
			}
		}
		all = append(all, f)
	}
	return all, nil
}
