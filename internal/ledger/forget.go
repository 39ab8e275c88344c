package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Forget takes out of the state what is over, so that a job's state is as large as what it works on and not as what it has
// ever read.
type Forget struct {
	// Over are partitions that have ended and hold nothing, sorted. A lane that has no other goes with them. What they have
	// added to the job's counts stays. Those that the source may still list are in State.Finished from now on.
	Over []PartitionHash

	// Gone are partitions of State.Finished that the source has listed no more for long, sorted: one that comes back is new.
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

// spent reports whether p may be forgotten: it has ended and holds nothing. A retired one stays, since only a person
// can say that it may be read again.
func (p *Partition) spent() bool {
	return p.Progress.Ended && p.PendingLen == 0 && !p.Retired
}

// Spent returns the partitions that have ended and hold nothing, and whose lane no entry has touched from entry since on,
// by their hashes.
func (ls *Lanes) Spent(since uint64) map[PartitionHash]record.Partition {
	out := map[PartitionHash]record.Partition{}
	for p, st := range ls.Partitions {
		if st.spent() && ls.ByName[st.Lane].Version < since {
			out[HashPartition(p)] = p
		}
	}
	return out
}

// Listable reports whether p may be forgotten although the source lists it: there is enough left of it in Finished.
func (ls *Lanes) Listable(p record.Partition) bool {
	st := ls.Partitions[p]
	return st != nil && keeps(&st.Progress)
}

// begun reports whether the job has read, or forgotten, any partition.
func (ls *Lanes) begun() bool { return len(ls.Partitions) > 0 || ls.Over > 0 }

// knows reports whether there is anything of p: it was read, or at least begun, and is not new.
func (ls *Lanes) knows(p record.Partition) bool { return ls.Partitions[p] != nil || ls.Finished.Has(p) }

// forget takes out what is over; all that touched its lanes did so before entry after. It raises Floor above all that touched the forgotten lanes: who acquired one of them before that may know
// nothing of what was done in it.
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
