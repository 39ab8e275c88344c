package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
)

// finished are the partitions that were forgotten and that the source may still list, as a list of changes of 32 bytes each.
type finished struct {
	changes []byte
	at      map[string]int // index of the change that added a partition, by hash
}

const (
	changeLen = 32
	chunkLen  = 1024 * changeLen
)

// hashOfPartition stands for a partition.
func hashOfPartition(p partition) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode([3]string{p.Source, p.Epoch, p.ID}) // strings can be encoded
	sum := sha256.Sum256(b.Bytes())
	return string(sum[:16])
}

func (f *finished) add(hash string, upTo, arrived int64) {
	f.at[hash] = len(f.changes) / changeLen
	f.append(hash, upTo, arrived)
}

func (f *finished) append(hash string, upTo, arrived int64) {
	f.changes = append(f.changes, hash...)
	f.changes = binary.BigEndian.AppendUint64(f.changes, uint64(upTo))
	f.changes = binary.BigEndian.AppendUint64(f.changes, uint64(arrived))
}

// tidy begins the list anew, in the order of hashes, once it has more than 1024 changes above two for each partition.
func (f *finished) tidy() {
	if len(f.changes)/changeLen <= 2*len(f.at)+chunkLen/changeLen {
		return
	}
	old := *f
	*f = finished{at: map[string]int{}}
	for _, h := range slices.Sorted(maps.Keys(old.at)) {
		f.at[h] = len(f.changes) / changeLen
		f.changes = append(f.changes, old.changes[old.at[h]*changeLen:][:changeLen]...)
	}
}

func (s *lanes) forget(what string, e *entry, generation uint64) {
	f := e.Forget
	s.place.expect(f.Generation == generation, what, "it knows the topics of generation %d, the last is %d", f.Generation, generation)
	over, ok := splitHashes(f.Over)
	gone, ok2 := splitHashes(f.Gone)
	if !s.place.expect(ok && ok2 && len(over)+len(gone) > 0, what, "its hashes are not in order, or there are none") {
		return
	}
	byHash := map[string]partition{}
	for p := range s.parts {
		byHash[hashOfPartition(p)] = p
	}
	for _, h := range over {
		p, known := byHash[h]
		st := s.parts[p]
		if !s.place.expect(known && st.row.Ended && st.row.PendingLen == 0 && !st.retired, what, "it forgets partition %x (%s), which is not known, or not over", h, p) {
			continue
		}
		s.floor = max(s.floor, s.lanes[st.lane].version+1)
		delete(s.parts, p)
		s.over++
		if n, err := strconv.ParseInt(st.row.UpTo, 10, 64); (err == nil || st.row.UpTo == "") && len(st.row.Children) == 0 {
			arrived := int64(0)
			if y := st.row.Arrived.Year(); y > 1700 && y < 2200 {
				arrived = st.row.Arrived.UnixNano()
			}
			s.finished.add(h, n, arrived)
		}
		empty := true
		for _, other := range s.parts {
			empty = empty && other.lane != st.lane
		}
		if empty {
			delete(s.lanes, st.lane)
		}
	}
	for _, h := range gone {
		_, known := s.finished.at[h]
		s.place.expect(known, what, "partition %x is gone, and was not finished", h)
		delete(s.finished.at, h)
		s.finished.append(h, -1, 0)
	}
	s.finished.tidy()
}

func splitHashes(b []byte) (list []string, ok bool) {
	for ; len(b) >= 16; b = b[16:] {
		list = append(list, string(b[:16]))
	}
	return list, len(b) == 0 && slices.IsSorted(list)
}

// checkFinished compares what a snapshot says of finished partitions with what was folded.
func (s *lanes) checkFinished(ctx context.Context, key string, got *snapshot) error {
	var changes []byte
	if got.Finished != nil {
		for _, hash := range got.Finished.Chunks {
			var c chunk
			name := s.place.root + "finished/" + hash
			found, err := control(ctx, s.place.b, name, maxEntry, &c)
			if errors.Is(err, errNewer) {
				return err
			}
			s.place.expect(err == nil && found == hash && len(c.Changes) == chunkLen, key, "%s is not the chunk that it names: %v", name, err)
			changes = append(changes, c.Changes...)
		}
		changes = append(changes, got.Finished.Tail...)
		s.place.expect(len(got.Finished.Tail) < chunkLen, key, "%d bytes of changes beside the chunks", len(got.Finished.Tail))
	}
	s.place.expect(bytes.Equal(changes, s.finished.changes), key, "it has %d changes of finished partitions that are not those of the ledger, which has %d",
		len(changes)/changeLen, len(s.finished.changes)/changeLen)
	got.Finished = nil
	return nil
}

// knew checks that an unknown lane was acquired late enough for nobody to have read it and forgotten it since.
func (s *lanes) knew(what string, ln *laneCommit) {
	if _, known := s.lanes[ln.Lane]; !known {
		s.place.expect(ln.Acquired >= s.floor, what, "lane %s was acquired at entry %d, and lanes touched before entry %d were forgotten", ln.Lane, ln.Acquired, s.floor)
	}
	for k := range ln.Partitions {
		p := ln.Partitions[k].partition
		_, over := s.finished.at[hashOfPartition(p)]
		s.place.expect(!over || s.parts[p] != nil, what, "partition %s had ended and was forgotten", p)
	}
}
