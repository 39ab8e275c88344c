package ledger

import (
	"fmt"
	"maps"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// State is the fold of a ledger's entries: all that validation, acquisition, closing and sweeping need. Its size is
// O(partitions that were not forgotten + unpublished entries + open hours), and some 60 bytes for each of Finished. It is
// not safe for concurrent use.
type State struct {
	Genesis     Genesis
	GenesisHash Hash
	Last        uint64 // id of the last entry folded; 0 before the first
	Hash        Hash   // of the last entry's object; of genesis before the first

	Config      Config // Generation 0 before the first
	Lanes       Lanes
	Hours       Hours
	Unpublished map[uint64]Unpublished // committed entries with a manifest that are not marked as published

	Read   int64 // of all partitions
	Counts record.Counts
	Rows   int64 // in on-time files
}

// Unpublished is a committed entry whose files and manifest are not known to be in place.
type Unpublished struct {
	Hours []time.Time // of its on-time files, ascending; none hold no hour back
}

// NewState returns the state of a ledger without entries. hash is that of the genesis object.
func NewState(g Genesis, hash Hash) *State {
	return &State{
		Genesis: g, GenesisHash: hash, Hash: hash,
		Lanes:       Lanes{ByName: map[string]*Lane{}, Partitions: map[record.Partition]*Partition{}, Finished: newFinished()},
		Hours:       Hours{Open: map[time.Time]*Hour{}, Closed: g.Start},
		Unpublished: map[uint64]Unpublished{},
	}
}

// Standing returns a copy of the present partitions and sums of s, for a later look back. Nothing can be folded into it.
func (s *State) Standing() *State {
	return &State{Genesis: s.Genesis, Last: s.Last, Lanes: Lanes{Partitions: maps.Clone(s.Lanes.Partitions)}, Read: s.Read, Counts: s.Counts, Rows: s.Rows}
}

// Base returns the version of a lane: what LaneCommit.Base and Retire.Base must be.
func (s *State) Base(lane string) uint64 {
	if l := s.Lanes.ByName[lane]; l != nil {
		return l.Version
	}
	return s.Hours.ClosedEntry
}

// Encode returns the snapshot object of s; equal states have equal objects. It does not repeat the genesis.
func (s *State) Encode() ([]byte, error) {
	j, err := snapshotOf(s)
	if err != nil {
		return nil, fmt.Errorf("ledger: snapshot: %w", err)
	}
	body, err := pack(j)
	if err == nil && len(body) > MaxSnapshot {
		err = fmt.Errorf("%w: snapshot of %d bytes", ErrTooLong, len(body))
	}
	return body, err
}
