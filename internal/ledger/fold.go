package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Prepare gives e the number after the last entry. It removes marks that others have made meanwhile, and those that are too
// many. Call it again for every slot that is tried, with the state folded to the slot before; then validate and encode e. A
// Mark may be left empty, which Validate calls void.
func (s *State) Prepare(e *Entry) {
	e.ID, e.Prev = s.Last+1, s.Hash
	e.Published = slices.DeleteFunc(slices.Clone(e.Published), func(id uint64) bool {
		_, unpublished := s.Unpublished[id]
		return !unpublished
	})
	slices.Sort(e.Published)
	e.Published = slices.Compact(e.Published)
	e.Published = e.Published[:min(len(e.Published), MaxPublished)]
	if !e.Sealed.After(s.Hours.Sealed) {
		e.Sealed, e.SealedAt = time.Time{}, time.Time{}
	}
	v := versionOf(e.hasPacks())
	e.Format, e.MinReader = v.Format, v.MinReader
	if e.Commit == nil {
		return
	}
	for i := range e.Commit.Lanes {
		for k := range e.Commit.Lanes[i].Partitions {
			p := &e.Commit.Lanes[i].Partitions[k]
			if old := s.Lanes.Partitions[p.Partition]; old != nil {
				p.blobs = len(old.PendingBlobs)
			}
		}
	}
}

// Fold applies the entry with the ID Last+1. hash is that of its object. On an error the state does not change, and nothing
// may be appended: authors validate their entries, so an invalid one in the store is corruption.
func (s *State) Fold(e *Entry, hash Hash) error {
	object := fmt.Sprintf("entry %d", e.ID)
	if e.ID != s.Last+1 {
		return corrupt(object, "it does not follow entry %d", s.Last)
	}
	if e.Prev != s.Hash {
		return corrupt(object, "the entry before it has another hash")
	}
	if err := s.Validate(e); err != nil {
		return corrupt(object, "it is not valid: %v", err)
	}
	for _, id := range e.Published {
		delete(s.Unpublished, id)
	}
	s.Hours.seal(e)
	switch e.Kind {
	case KindConfig:
		s.Config = *e.Config.clone()
	case KindCommit:
		s.foldCommit(e)
	case KindClose:
		s.Hours.close(e)
	case KindRetire:
		s.Lanes.retire(e)
	case KindForget:
		s.Lanes.forget(e.Forget, e.ID)
	}
	s.Last, s.Hash = e.ID, hash
	return nil
}

// foldCommit touches each lane of the entry, even if its progress did not change. Only so a version tells who came last.
func (s *State) foldCommit(e *Entry) {
	left := map[string]bool{} // lanes that partitions move away from
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		s.Lanes.touch(l.Lane, e.ID, l.Token)
		var ends []*PartitionCommit // those that end by this entry
		for k := range l.Partitions {
			p := &l.Partitions[k]
			if old := s.Lanes.Partitions[p.Partition]; p.Progress.Ended && (old == nil || !old.Progress.Ended) {
				ends = append(ends, p)
			}
			if from := s.foldPartition(l.Lane, p); from != "" {
				left[from] = true
			}
		}
		for _, p := range ends {
			s.Lanes.foldChildren(l.Lane, p)
		}
	}
	for lane := range left {
		next := *s.Lanes.ByName[lane]
		next.parts = slices.DeleteFunc(slices.Clone(next.parts), func(p record.Partition) bool { return s.Lanes.Partitions[p].Lane != lane })
		s.Lanes.ByName[lane] = &next
	}
	if e.Commit.HasManifest() {
		p := Unpublished{Hours: make([]time.Time, len(e.Commit.Hours))}
		for i, h := range e.Commit.Hours {
			p.Hours[i] = h.Hour
		}
		s.Unpublished[e.ID] = p
	}
	for _, h := range e.Commit.Hours {
		sum := Hour{First: e.ID}
		if old := s.Hours.Open[h.Hour]; old != nil {
			sum = *old
		}
		sum.Last, sum.Files, sum.Rows, sum.Bytes = e.ID, sum.Files+h.Files, sum.Rows+h.Rows, sum.Bytes+h.Bytes
		sum.Packs += h.Packs
		s.Hours.Open[h.Hour] = &sum
		s.Rows += h.Rows
	}
}

// foldPartition returns the lane that the partition leaves; empty if it does not move. The caller must take it out of that
// lane's list.
func (s *State) foldPartition(lane string, p *PartitionCommit) (from string) {
	next := Partition{Lane: lane, Progress: p.Progress, PendingLen: p.PendingLen, Read: p.Read, Counts: p.Counts}
	if p.PendingBlob != nil {
		next.Progress.Pending = driver.PendingSet{}
		if p.PendingBefore > 0 {
			next.PendingBlobs = slices.Clone(s.Lanes.Partitions[p.Partition].PendingBlobs)
		}
		next.PendingBlobs = append(next.PendingBlobs, p.PendingBlob)
	}
	if old := s.Lanes.Partitions[p.Partition]; old != nil {
		next.Read += old.Read
		next.Counts.Add(old.Counts)
		if old.Lane != lane {
			from = old.Lane
		}
	}
	s.Lanes.put(p.Partition, &next)
	s.Read += p.Read
	s.Counts.Add(p.Counts)
	return from
}
