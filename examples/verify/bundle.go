package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// bundle is the packs of an hour and flow, in the order in which their rows stand in merged files: that of entries, then
// of keys.
type bundle struct {
	hour  time.Time
	flow  string
	packs []packed
	rows  int64
	bytes int64
	units []*unit // none while the hour is open
	must  bool    // the hour is sealed or has its manifest, so that all merged files are in place
}

// packed is a pack and the commit that names it.
type packed struct {
	c *committed
	f *file
}

// bundles are those of a job, by hour, then by flow.
type bundles struct {
	place  *place
	hours  *hours
	list   []*bundle
	byHour map[time.Time][]*bundle
	names  map[string]bool // keys of all records that may be there
	merged int             // units with a record
	units  int
}

func newBundles(l *ledger) *bundles {
	bs := &bundles{place: l.place, hours: l.hours, byHour: map[time.Time][]*bundle{}, names: map[string]bool{}}
	type key struct {
		hour int64
		flow string
	}
	found := map[key]*bundle{}
	for _, c := range l.commits.list {
		for i := range c.files {
			f := &c.files[i]
			if f.Kind != kindPack {
				continue
			}
			k := key{f.Hour.Unix(), f.Flow}
			b := found[k]
			if b == nil {
				b = &bundle{hour: f.Hour.UTC(), flow: f.Flow}
				found[k] = b
				bs.list = append(bs.list, b)
			}
			b.packs = append(b.packs, packed{c, f})
			b.rows, b.bytes = b.rows+f.Rows, b.bytes+f.Length
		}
	}
	slices.SortFunc(bs.list, func(a, b *bundle) int { return cmp.Or(a.hour.Compare(b.hour), strings.Compare(a.flow, b.flow)) })
	for _, b := range bs.list {
		bs.byHour[b.hour] = append(bs.byHour[b.hour], b)
	}
	return bs
}

// load reads the merge records of a closed hour and gives their files to the hour's. It tells whether all are there.
func (bs *bundles) load(ctx context.Context, c *closing, hour time.Time, must bool) (whole bool, err error) {
	whole = true
	for _, b := range bs.byHour[hour.UTC()] {
		b.must = must
		if c.close.Merge == nil || c.close.Merge.UnitBytes < 1 { // which was reported
			whole = false
			continue
		}
		b.units = unitsOf(bs.place, c, b.hour, b.flow, b.bytes)
		for _, u := range b.units {
			bs.units++
			bs.names[u.key()] = true
			if err := u.load(ctx, must); err != nil {
				return false, err
			}
			if u.record == nil {
				whole = false
				continue
			}
			bs.merged++
			bs.hours.merged[b.hour] = append(bs.hours.merged[b.hour], u.files...)
		}
	}
	return whole, nil
}

// complete tells whether all units have a record.
func (b *bundle) complete() bool {
	return len(b.units) > 0 && !slices.ContainsFunc(b.units, func(u *unit) bool { return u.record == nil })
}
