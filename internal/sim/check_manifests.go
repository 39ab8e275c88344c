package sim

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/record"
)

// manifests checks that the manifests of transactions say what their entries say.
type manifests struct {
	bad     *violations
	objects *objects

	made map[uint64]bool
	owed map[uint64]bool // commits that need a manifest and have none yet
}

func newManifests(bad *violations, o *objects) *manifests {
	return &manifests{bad: bad, objects: o, made: map[uint64]bool{}, owed: map[uint64]bool{}}
}

// add checks the manifest of entry n; e is nil if there is none.
func (m *manifests) add(n uint64, e *ledger.Entry, body []byte) {
	var t manifest.Transaction
	if err := json.Unmarshal(body, &t); err != nil || e == nil {
		m.bad.add("manifest %d: %v", n, err)
		return
	}
	m.made[n] = true
	delete(m.owed, n)
	m.sums(n, e, &t)
	listed := map[string]bool{}
	for _, f := range t.Files {
		listed[f.Key] = true
	}
	for _, f := range t.Packs {
		listed[f.Key] = true
	}
	for key := range listed {
		if !m.objects.public[key] {
			m.bad.add("manifest %d lists %s, which is not visible", n, key)
		}
		if m.objects.named[key].entry != n {
			m.bad.add("manifest %d lists %s, which its entry does not name", n, key)
		}
	}
	for key, f := range m.objects.named {
		if f.entry == n && !listed[key] {
			m.bad.add("manifest %d does not list %s", n, key)
		}
	}
}

// sums checks that a manifest has what its entry has of reads and fates, so that all manifests add up to the ledger.
func (m *manifests) sums(n uint64, e *ledger.Entry, t *manifest.Transaction) {
	var told []ledger.Reason
	for _, r := range t.Reasons {
		told = append(told, ledger.Reason(r))
	}
	m.reasons(fmt.Sprintf("manifest %d", n), e, told)
	i := 0
	for _, l := range e.Commit.Lanes {
		for _, p := range l.Partitions {
			var got manifest.Partition
			if i < len(t.Partitions) {
				got = t.Partitions[i]
			}
			same := got.Lane == l.Lane && got.ID == p.Partition.ID && got.Read == p.Read && got.Pending == p.PendingLen
			for fate, n := range p.Counts {
				same = same && got.Counts[record.Fate(fate).String()] == n
			}
			if !same {
				m.bad.add("manifest %d says %+v of %s, its entry read %d, holds %d, fates %v", n, got, p.Partition, p.Read, p.PendingLen, p.Counts)
			}
			i++
		}
	}
}

// reasons checks that each dead letter and each copy of an entry has its reason, in the entry and in the manifest.
func (m *manifests) reasons(where string, e *ledger.Entry, got []ledger.Reason) {
	want := map[string]int64{}
	for _, l := range e.Commit.Lanes {
		for _, p := range l.Partitions {
			for fate, why := range reasons {
				if n := p.Counts[fate]; n > 0 {
					want[fate.String()+" "+why] += n
				}
			}
		}
	}
	have := map[string]int64{}
	for _, r := range got {
		have[r.Fate+" "+r.Why] += r.Records
	}
	if !maps.Equal(have, want) {
		m.bad.add("%s has the reasons %v, want %v", where, have, want)
	}
}

// hasCounts reports whether a commit read or finished a record.
func hasCounts(c *ledger.Commit) bool {
	for _, l := range c.Lanes {
		for _, p := range l.Partitions {
			if p.Read > 0 || p.Counts.Sum() > 0 {
				return true
			}
		}
	}
	return false
}
