package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Forget removes from the state what is over, so that the state is as large as what the job works on, not as all it ever
// read.
type Forget struct {
	// Over are partitions that have ended and hold nothing, sorted. A lane without other partitions goes with them. Their
	// share of the job's counts stays. Those that the source may still list move to State.Finished.
	Over []PartitionHash

	// Gone are partitions of State.Finished that the source has not listed for long, sorted. One that comes back is new.
	Gone []PartitionHash

	Generation uint64 // of the Config by which the author knew what the source lists
}

// MaxForget is the largest number of partitions in each part of a Forget.
const MaxForget = 1024

type forgetJSON struct {
	Over       []byte `json:"over,omitempty"`
	Gone       []byte `json:"gone,omitempty"`
	Generation uint64 `json:"generation"`
}

func (f *Forget) toJSON() *forgetJSON {
	return &forgetJSON{joinHashes(f.Over), joinHashes(f.Gone), f.Generation}
}

func (j *forgetJSON) forget() (*Forget, error) {
	over, err := splitHashes(j.Over)
	gone, err2 := splitHashes(j.Gone)
	return &Forget{over, gone, j.Generation}, errors.Join(err, err2)
}

func (f *Forget) check() error {
	if len(f.Over)+len(f.Gone) == 0 || len(f.Over) > MaxForget || len(f.Gone) > MaxForget {
		return fmt.Errorf("it forgets %d and %d partitions", len(f.Over), len(f.Gone))
	}
	return errors.Join(checkHashes(f.Over), checkHashes(f.Gone))
}

// spent reports whether p may be forgotten: it has ended and holds nothing. A retired partition stays, since only a person
// can say that it may be read again.
func (p *Partition) spent() bool {
	return p.Progress.Ended && p.PendingLen == 0 && !p.Retired
}

// Spent returns, by hash, the partitions that have ended and hold nothing, if no entry from since on has touched their
// lane.
func (ls *Lanes) Spent(since uint64) map[PartitionHash]record.Partition {
	out := map[PartitionHash]record.Partition{}
	for p, st := range ls.Partitions {
		if st.spent() && ls.ByName[st.Lane].Version < since {
			out[HashPartition(p)] = p
		}
	}
	return out
}

// Listable reports whether p may be forgotten although the source lists it: Finished can hold what matters of it.
func (ls *Lanes) Listable(p record.Partition) bool {
	st := ls.Partitions[p]
	return st != nil && keeps(&st.Progress)
}

// begun reports whether the job has read, or forgotten, any partition.
func (ls *Lanes) begun() bool { return len(ls.Partitions) > 0 || ls.Over > 0 }

// knows reports whether p is known: it was read or begun, or is finished.
func (ls *Lanes) knows(p record.Partition) bool { return ls.Partitions[p] != nil || ls.Finished.Has(p) }

// forget removes what is over. The lanes of f.Over were last touched before entry after. It raises Floor above those
// entries, since an instance that acquired such a lane earlier may not know what others did in it.
func (ls *Lanes) forget(f *Forget, after uint64) {
	if len(f.Over) > 0 {
		spent := ls.Spent(after)
		for _, h := range f.Over {
			p := spent[h]
			st := ls.Partitions[p]
			l := *ls.ByName[st.Lane]
			ls.Floor = max(ls.Floor, l.Version+1)
			l.parts = slices.DeleteFunc(slices.Clone(l.parts), func(q record.Partition) bool { return q == p })
			if len(l.parts) > 0 {
				ls.ByName[st.Lane] = &l
			} else {
				delete(ls.ByName, st.Lane)
			}
			delete(ls.Partitions, p)
			ls.Over++
			if keeps(&st.Progress) {
				ls.Finished.add(h, &st.Progress)
			}
		}
	}
	for _, h := range f.Gone {
		ls.Finished.remove(h)
	}
	ls.Finished.tidy()
}
