package sink

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
)

// HourManifest tells readers all that a closed hour holds. The object, plain JSON, exists before the hour's seals, never
// changes, and says the same whoever creates it. The seal object of a flow, in its JSON form, has the same fields, with
// that flow alone and without Partitions.
type HourManifest struct {
	Format     int                `json:"format"`
	Job        string             `json:"job"`
	Epoch      int                `json:"epoch"`
	Hour       time.Time          `json:"hour"` // its start
	End        time.Time          `json:"end"`
	Entry      uint64             `json:"entry"` // of the ledger, that closed it
	ClosedAt   time.Time          `json:"closed_at"`
	Flows      map[string]FlowSum `json:"flows"`                // of the Close, with or without files, and all others with files
	Files      []File             `json:"files"`                // on-time files of all transactions, ordered by key
	Partitions []ClosedPartition  `json:"partitions,omitempty"` // that may have more to give: not those that have ended and hold nothing
	Read       int64              `json:"read"`                 // records of the whole job up to the close
	Counts     map[string]int64   `json:"counts"`               // and what became of them
}

// ClosedPartition is how far a partition was when the hour was closed: records behind it are in later hours, or late.
type ClosedPartition struct {
	Lane    string    `json:"lane"`
	Source  string    `json:"source"`
	Epoch   string    `json:"epoch,omitempty"`
	ID      string    `json:"id"`
	UpTo    string    `json:"up_to,omitempty"`
	Low     time.Time `json:"low,omitzero"`
	Held    int       `json:"held,omitempty"` // records in work, all of later hours
	Ended   bool      `json:"ended,omitempty"`
	Retired bool      `json:"retired,omitempty"`
}

// hourFiles returns the on-time files of some hours, as the ledger sums them up, by hour.
func (k *keeper) hourFiles(ctx context.Context, hours map[time.Time]ledger.Hour) (map[time.Time][]File, error) {
	entries := map[uint64]bool{}
	for _, h := range hours {
		for id := h.First; id <= h.Last; id++ {
			entries[id] = true
		}
	}
	ids := slices.Sorted(maps.Keys(entries))
	found := make([][]ledger.File, len(ids))
	err := k.env.Wide().Each(ctx, len(ids), func(ctx context.Context, i int) (err error) {
		found[i], err = k.filesOf(ctx, ids[i], hours)
		return err
	})
	if err != nil {
		return nil, err
	}
	byHour := map[time.Time][]File{}
	for _, files := range found {
		for i := range files {
			byHour[files[i].Hour] = append(byHour[files[i].Hour], publicFile(&files[i]))
		}
	}
	for hour, files := range byHour {
		slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Key, b.Key) })
		if sum := hours[hour]; int64(len(files)) != sum.Files {
			return nil, &ledger.CorruptError{
				Object: "hour " + hour.Format(time.RFC3339), Reason: fmt.Sprintf("its entries have %d files, the ledger counts %d", len(files), sum.Files),
			}
		}
	}
	return byHour, nil
}

func (k *keeper) hourManifest(c *closing, hour time.Time, files []File) *HourManifest {
	m := &HourManifest{
		Format: FormatVersion, Job: k.job, Epoch: epoch, Hour: hour, End: hour.Add(k.opts.Hour), Entry: c.entry, ClosedAt: c.close.At,
		Flows: map[string]FlowSum{}, Files: append([]File{}, files...), Read: c.behind.Read, Counts: countsByName(c.behind.Counts),
	}
	for _, name := range c.close.Flows {
		m.Flows[name] = FlowSum{}
	}
	for i := range files {
		s := m.Flows[files[i].Flow]
		s.Files, s.Rows, s.Bytes = s.Files+1, s.Rows+files[i].Rows, s.Bytes+files[i].Length
		m.Flows[files[i].Flow] = s
	}
	for p, st := range c.behind.Partitions {
		if st.Progress.Ended && st.HeldLen == 0 && !st.Retired {
			continue // no later hour has anything of it, and there may be thousands
		}
		cp := ClosedPartition{
			Lane: st.Lane, Source: p.Source, Epoch: p.Epoch, ID: p.ID, Low: st.Progress.Low, Held: st.HeldLen,
			Ended: st.Progress.Ended, Retired: st.Retired,
		}
		if !st.Progress.UpTo.IsZero() {
			cp.UpTo = st.Progress.UpTo.String()
		}
		m.Partitions = append(m.Partitions, cp)
	}
	slices.SortFunc(m.Partitions, func(a, b ClosedPartition) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.ID, b.ID))
	})
	return m
}

// flowSeal is the JSON form of a seal object.
func (m *HourManifest) flowSeal(flow string) *HourManifest {
	s := *m
	s.Flows = map[string]FlowSum{flow: m.Flows[flow]}
	s.Partitions = nil
	s.Files = []File{}
	for _, f := range m.Files {
		if f.Flow == flow {
			s.Files = append(s.Files, f)
		}
	}
	return &s
}
