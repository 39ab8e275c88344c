package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

type snapshotJSON struct {
	blobHeader
	Genesis     Hash                  `json:"genesis"`
	Last        uint64                `json:"last"`
	Hash        Hash                  `json:"hash"`
	Config      *Config               `json:"config,omitempty"`
	Closed      time.Time             `json:"closed,omitzero"`
	ClosedEntry uint64                `json:"closed_entry,omitempty"`
	ClosedAt    time.Time             `json:"closed_at,omitzero"`
	Sealed      time.Time             `json:"sealed,omitzero"`
	Read        int64                 `json:"read,omitempty"`
	Counts      countsJSON            `json:"counts,omitzero"`
	Rows        int64                 `json:"rows,omitempty"`
	Lanes       []snapLaneJSON        `json:"lanes,omitempty"`
	Partitions  []snapPartitionJSON   `json:"partitions,omitempty"`
	Unpublished []snapUnpublishedJSON `json:"unpublished,omitempty"`
	Hours       []snapHourJSON        `json:"hours,omitempty"`
	Seals       []SealMark            `json:"seals,omitempty"`
	Floor       uint64                `json:"floor,omitempty"`
	Over        int64                 `json:"over,omitempty"`
	Finished    *finishedJSON         `json:"finished,omitempty"`
}

type snapLaneJSON struct {
	Lane    string `json:"lane"`
	Version uint64 `json:"version"`
	Token   Token  `json:"token"`
}

type snapPartitionJSON struct {
	Lane string `json:"lane"`
	partitionRowJSON
	PendingBlobs []*Blob `json:"pending_blobs,omitempty"`
	Retired      bool    `json:"retired,omitempty"`
}

type snapUnpublishedJSON struct {
	Entry uint64      `json:"entry"`
	Hours []time.Time `json:"hours,omitempty"`
}

type snapHourJSON struct {
	HourSum
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func snapshotOf(s *State) (*snapshotJSON, error) {
	j := &snapshotJSON{
		blobHeader: versionOf(s.Hours.hasPacks()), Seals: s.Hours.Seals, Genesis: s.GenesisHash, Last: s.Last, Hash: s.Hash,
		Closed: s.Hours.Closed, ClosedEntry: s.Hours.ClosedEntry, ClosedAt: s.Hours.ClosedAt, Sealed: s.Hours.Sealed, Read: s.Read, Counts: toCounts(s.Counts), Rows: s.Rows,
		Lanes: make([]snapLaneJSON, 0, len(s.Lanes.ByName)), Partitions: make([]snapPartitionJSON, 0, len(s.Lanes.Partitions)),
		Floor: s.Lanes.Floor, Over: s.Lanes.Over, Finished: s.Lanes.Finished.toJSON(),
		Unpublished: make([]snapUnpublishedJSON, 0, len(s.Unpublished)), Hours: make([]snapHourJSON, 0, len(s.Hours.Open)),
	}
	if s.Config.Generation > 0 {
		j.Config = &s.Config
	}
	for name, l := range s.Lanes.ByName {
		j.Lanes = append(j.Lanes, snapLaneJSON{name, l.Version, l.Token})
	}
	slices.SortFunc(j.Lanes, snapLaneJSON.compare)
	for p, st := range s.Lanes.Partitions {
		progress, err := toProgress(&st.Progress, len(st.PendingBlobs) > 0)
		if err != nil {
			return nil, fmt.Errorf("partition %s: %w", p, err)
		}
		row := partitionRowJSON{toPartition(p), progress, nil, 0, st.PendingLen, st.Read, toCounts(st.Counts)}
		j.Partitions = append(j.Partitions, snapPartitionJSON{st.Lane, row, st.PendingBlobs, st.Retired})
	}
	slices.SortFunc(j.Partitions, snapPartitionJSON.compare)
	for id, p := range s.Unpublished {
		j.Unpublished = append(j.Unpublished, snapUnpublishedJSON{id, p.Hours})
	}
	slices.SortFunc(j.Unpublished, snapUnpublishedJSON.compare)
	for start, h := range s.Hours.Open {
		j.Hours = append(j.Hours, snapHourJSON{HourSum{start, h.Files, h.Rows, h.Bytes, h.Packs}, h.First, h.Last})
	}
	slices.SortFunc(j.Hours, snapHourJSON.compare)
	return j, nil
}

func (a snapLaneJSON) compare(b snapLaneJSON) int { return cmp.Compare(a.Lane, b.Lane) }
func (a snapPartitionJSON) compare(b snapPartitionJSON) int {
	return a.partition().Compare(b.partition())
}
func (a snapUnpublishedJSON) compare(b snapUnpublishedJSON) int { return cmp.Compare(a.Entry, b.Entry) }
func (a snapHourJSON) compare(b snapHourJSON) int               { return a.Hour.Compare(b.Hour) }

// DecodeState reads the snapshot of the state after entry n of the ledger that begins with g. The error is a *VersionError
// if a newer version is needed, else a *CorruptError. The state is whole once Finished.Complete has got what
// Finished.Missing names. Snapshots only save reading: a reader that cannot use one may fold the entries from an older one,
// or from the first.
func DecodeState(g Genesis, genesis Hash, n uint64, body []byte) (*State, error) {
	object := fmt.Sprintf("snapshot %d", n)
	var j snapshotJSON
	h, err := open(object, body, MaxSnapshot, &j)
	if err != nil {
		return nil, err
	}
	if j.Genesis != genesis || j.Last != n {
		return nil, corrupt(object, "it is of entry %d of the ledger %s", j.Last, j.Genesis)
	}
	s, err := j.state(g)
	if err != nil {
		return nil, corrupt(object, "%v", err)
	}
	return s, canonical(object, body, h, func() ([]byte, error) {
		again, err := snapshotOf(s)
		if err != nil {
			return nil, err
		}
		again.blobHeader = j.blobHeader
		return pack(again)
	})
}

func (j *snapshotJSON) state(g Genesis) (*State, error) {
	s := NewState(g, j.Genesis)
	s.Last, s.Hash, s.Hours.Closed, s.Hours.ClosedEntry, s.Hours.ClosedAt, s.Hours.Sealed = j.Last, j.Hash, j.Closed, j.ClosedEntry, j.ClosedAt, j.Sealed
	s.Read, s.Counts, s.Rows = j.Read, j.Counts.counts(), j.Rows
	errs := []error{checkHash("hash", j.Hash), checkUTC("closed", j.Closed), checkUTC("closed_at", j.ClosedAt), checkUTC("sealed", j.Sealed)}
	if j.Floor > j.Last || j.Over < 0 {
		errs = append(errs, fmt.Errorf("floor %d, %d partitions forgotten", j.Floor, j.Over))
	}
	s.Lanes.Floor, s.Lanes.Over = j.Floor, j.Over
	finished, err := j.Finished.finished()
	if err != nil {
		return nil, err
	}
	s.Lanes.Finished = finished
	if j.ClosedEntry > j.Last {
		errs = append(errs, fmt.Errorf("closed by entry %d", j.ClosedEntry))
	}
	if j.Config != nil {
		s.Config = *j.Config
		errs = append(errs, j.Config.check())
	}
	for _, l := range j.Lanes {
		s.Lanes.ByName[l.Lane] = &Lane{Version: l.Version, Token: l.Token}
		errs = append(errs, checkName("lane", l.Lane), checkToken(l.Token))
		if l.Version == 0 || l.Version > j.Last {
			errs = append(errs, fmt.Errorf("lane %q with version %d", l.Lane, l.Version))
		}
	}
	for i := range j.Partitions {
		p := &j.Partitions[i]
		progress, err := p.progress()
		st := p.commit(progress)
		if n := len(p.PendingBlobs); n > 0 && st.PendingBlob == nil && st.PendingBefore == 0 {
			st.PendingBlob, st.PendingBefore = p.PendingBlobs[n-1], n-1
		} else if n > 0 || st.PendingBlob != nil || st.PendingBefore != 0 {
			errs = append(errs, errors.New("a pending set with a blob of a commit"))
		}
		for _, b := range p.PendingBlobs {
			errs = append(errs, checkBlob(b))
		}
		errs = append(errs, err, checkName("lane", p.Lane), st.check())
		if s.Lanes.ByName[p.Lane] == nil || s.Lanes.Partitions[st.Partition] != nil {
			return nil, fmt.Errorf("partition %s is there twice or in no lane", st.Partition)
		}
		s.Lanes.put(st.Partition, &Partition{p.Lane, progress, p.PendingBlobs, p.PendingLen, p.Retired, p.Read, st.Counts})
	}
	for _, p := range j.Unpublished {
		s.Unpublished[p.Entry] = Unpublished{p.Hours}
		if p.Entry == 0 || p.Entry > j.Last || !slices.IsSortedFunc(p.Hours, time.Time.Compare) {
			errs = append(errs, fmt.Errorf("unpublished entry %d", p.Entry))
		}
	}
	s.Hours.Seals = j.Seals
	for i, m := range j.Seals {
		if errs = append(errs, checkUTC("through", m.Through), checkUTC("at", m.At)); i > 0 && !m.Through.After(j.Seals[i-1].Through) {
			errs = append(errs, fmt.Errorf("seals through %s are not in order", m.Through))
		}
	}
	for _, h := range j.Hours {
		s.Hours.Open[h.Hour] = &Hour{h.First, h.Last, h.Files, h.Rows, h.Bytes, h.Packs}
		if h.First == 0 || h.First > h.Last || h.Last > j.Last || h.Hour.Before(j.Closed) {
			errs = append(errs, fmt.Errorf("hour %s of entries %d to %d", h.Hour, h.First, h.Last))
		}
		errs = append(errs, checkUTC("hour", h.Hour))
	}
	return s, errors.Join(errs...)
}
