package hours

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/manifest"
)

// content is what transactions have written for an hour.
type content struct {
	files []manifest.File          // by key
	packs map[string][]ledger.File // by flow, in the order of entries, then of keys
}

// hourContents returns what some hours have, by hour. hours has the ledger's sums of each.
func hourContents(ctx context.Context, j *journal.Journal, hours map[time.Time]ledger.Hour) (map[time.Time]*content, error) {
	entries := map[uint64]bool{}
	for _, h := range hours {
		for id := h.First; id <= h.Last; id++ {
			entries[id] = true
		}
	}
	ids := slices.Sorted(maps.Keys(entries))
	found := make([][]ledger.File, len(ids))
	err := j.Objects.Env.Wide().Each(ctx, len(ids), func(ctx context.Context, i int) (err error) {
		found[i], err = j.FilesOf(ctx, ids[i], hours)
		return err
	})
	if err != nil {
		return nil, err
	}
	byHour := map[time.Time]*content{}
	counts := map[time.Time]int64{}
	for _, files := range found {
		for i := range files {
			f := &files[i]
			c := byHour[f.Hour]
			if c == nil {
				c = &content{packs: map[string][]ledger.File{}}
				byHour[f.Hour] = c
			}
			if counts[f.Hour]++; f.Kind == ledger.PackFile {
				c.packs[f.Flow] = append(c.packs[f.Flow], *f)
			}
			c.files = append(c.files, journal.Public(files[i:i+1])...)
		}
	}
	for hour, c := range byHour {
		slices.SortFunc(c.files, func(a, b manifest.File) int { return cmp.Compare(a.Key, b.Key) })
		if sum := hours[hour]; counts[hour] != sum.Files {
			return nil, &ledger.CorruptError{
				Object: "hour " + hour.Format(time.RFC3339), Reason: fmt.Sprintf("its entries have %d files, the ledger counts %d", counts[hour], sum.Files),
			}
		}
	}
	return byHour, nil
}

// hourManifest is that of an hour of a Close, with its files.
func hourManifest(job string, c *journal.Closing, hour time.Time, files []manifest.File) *manifest.Hour {
	m := &manifest.Hour{
		Format: manifest.Format, Job: job, Epoch: journal.Epoch, Hour: hour, End: hour.Add(c.Behind.Genesis.Hour), Entry: c.Entry, ClosedAt: c.Close.At,
		Flows: manifest.Sum(files), Files: append([]manifest.File{}, files...), Read: c.Behind.Read, Counts: journal.CountsByName(c.Behind.Counts),
	}
	for _, name := range c.Close.Flows {
		if _, ok := m.Flows[name]; !ok {
			m.Flows[name] = manifest.FlowSum{}
		}
	}
	for p, st := range c.Behind.Lanes.Partitions {
		if st.Progress.Ended && st.PendingLen == 0 && !st.Retired {
			continue // no later hour has anything of it, and there may be thousands
		}
		cp := manifest.ClosedPartition{
			Lane: st.Lane, Source: p.Source, Epoch: p.Epoch, ID: p.ID, Watermark: st.Progress.Watermark, Pending: st.PendingLen,
			Ended: st.Progress.Ended, Retired: st.Retired,
		}
		if !st.Progress.UpTo.IsZero() {
			cp.UpTo = st.Progress.UpTo.String()
		}
		m.Partitions = append(m.Partitions, cp)
	}
	slices.SortFunc(m.Partitions, func(a, b manifest.ClosedPartition) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.ID, b.ID))
	})
	return m
}
