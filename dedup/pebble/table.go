package pebble

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/onceflow/onceflow/dedup"
)

// table is a set of IDs. A key is the table's number, the bucket and the ID, so that a bucket is a range of keys.
type table struct {
	store  *Store
	space  dedup.Space
	number uint32

	buckets []int64 // that have a filter, the newest first
	filters map[int64]*filter
	pending map[dedup.ID]int64 // bucket of the IDs of the batch under way
	masks   []mask
	maybe   []candidate
	had     []int64 // bucket of each claim's ID before the batch, or nowhere
	key     [28]byte
}

const nowhere = math.MinInt64

// candidate is a bucket that may have the ID of a claim, by its filter.
type candidate struct {
	bucket int64
	claim  int
}

// Claim takes the IDs that no record has. It stores no holders, since a local table gets each record once.
func (t *table) Claim(_ context.Context, claims []dedup.Claim, won []bool) error {
	err := t.each(claims, func(i int, isNew bool) { won[i] = isNew || claims[i].Force }, false)
	if err != nil {
		return fmt.Errorf("pebble: claim: %w", err)
	}
	return nil
}

// Refill takes the IDs and keeps the newest bucket of each.
func (t *table) Refill(_ context.Context, claims []dedup.Claim, won []bool) error {
	if err := t.each(claims, func(i int, isNew bool) { won[i] = isNew }, true); err != nil {
		return fmt.Errorf("pebble: refill: %w", err)
	}
	return nil
}

func (t *table) each(claims []dedup.Claim, done func(i int, isNew bool), newest bool) (err error) {
	t.masks = slices.Grow(t.masks[:0], len(claims))
	for i := range claims {
		t.masks = append(t.masks, maskOf(&claims[i].ID))
	}
	if err := t.look(claims); err != nil {
		return err
	}
	clear(t.pending)
	batch := t.store.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for i := range claims {
		c := &claims[i]
		bucket := t.bucketOf(c.Time)
		had, known := t.pending[c.ID]
		if !known {
			had = t.had[i]
			known = had != nowhere
		}
		done(i, !known)
		if known && (!newest && !c.Force || bucket <= had) {
			continue
		}
		if known {
			if err := batch.Delete(t.keyOf(had, &c.ID), nil); err != nil {
				return err
			}
		}
		if err := batch.Set(t.keyOf(bucket, &c.ID), nil, nil); err != nil {
			return err
		}
		t.filter(bucket).add(&t.masks[i], t.usual())
		t.pending[c.ID] = bucket
	}
	if batch.Empty() {
		return nil
	}
	return batch.Commit(t.store.write)
}

// look finds the buckets of the IDs that were there before the batch. It asks in the order of the keys with one iterator,
// since neighbours share blocks, and a new iterator costs more than moving one.
func (t *table) look(claims []dedup.Claim) (err error) {
	t.maybe, t.had = t.maybe[:0], slices.Grow(t.had[:0], len(claims))
	for range claims {
		t.had = append(t.had, nowhere)
	}
	for _, b := range t.buckets { // bucket by bucket: a filter's blocks stay near
		f := t.filters[b]
		for i := range claims {
			if f.has(&t.masks[i]) {
				t.maybe = append(t.maybe, candidate{b, i})
			}
		}
	}
	if len(t.maybe) == 0 {
		return nil
	}
	slices.SortFunc(t.maybe, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), bytes.Compare(claims[a.claim].ID[:], claims[b.claim].ID[:]))
	})
	iter, err := t.store.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for _, m := range t.maybe {
		if iter.SeekPrefixGE(t.keyOf(m.bucket, &claims[m.claim].ID)) { // a prefix is a whole key
			t.had[m.claim] = m.bucket
		}
	}
	return iter.Error()
}

// usual is how many IDs a bucket has: the most of the last three.
func (t *table) usual() (most int) {
	for _, b := range t.buckets[:min(3, len(t.buckets))] {
		most = max(most, t.filters[b].ids)
	}
	return most
}

func (t *table) filter(bucket int64) *filter {
	f := t.filters[bucket]
	if f == nil {
		f = &filter{}
		t.filters[bucket] = f
		at, _ := slices.BinarySearchFunc(t.buckets, bucket, func(a, b int64) int {
			if a > b {
				return -1
			}
			return 1
		})
		t.buckets = slices.Insert(t.buckets, at, bucket)
	}
	return f
}

// spareBuckets is how many buckets may have filters in addition to those of the window.
const spareBuckets = 64

// bucketOf is the bucket of a claim: its own, or the next newer one if many buckets have a filter already. One more filter,
// for an odd time, would cost all records more than it is worth. So some IDs are remembered for longer than asked, none for
// less.
func (t *table) bucketOf(at time.Time) int64 {
	b := dedup.BucketOf(at, t.space.Bucket)
	if int64(len(t.buckets)) < int64(t.space.Window/t.space.Bucket)+spareBuckets || b > t.buckets[0] || t.filters[b] != nil {
		return b
	}
	i, _ := slices.BinarySearchFunc(t.buckets, b, func(a, b int64) int { return cmp.Compare(b, a) })
	return t.buckets[i-1]
}

// keyOf is valid until it is called again.
func (t *table) keyOf(bucket int64, id *dedup.ID) []byte {
	k := appendBucket(t.key[:0], t.number, bucket)
	return append(k, id[:]...)
}

// appendBucket appends the begin of a bucket's keys. It flips the sign's bit, so that bytes sort as numbers do.
func appendBucket(b []byte, number uint32, bucket int64) []byte {
	b = binary.BigEndian.AppendUint32(b, number)
	return binary.BigEndian.AppendUint64(b, uint64(bucket)^1<<63)
}

// Expire deletes the buckets that end at or before at, each as one range.
func (t *table) Expire(_ context.Context, at time.Time) error {
	bound := dedup.BucketOf(at, t.space.Bucket)
	keep := t.buckets[:0]
	for _, b := range t.buckets {
		if b >= bound {
			keep = append(keep, b)
			continue
		}
		delete(t.filters, b)
		err := t.store.db.DeleteRange(appendBucket(nil, t.number, b), appendBucket(nil, t.number, b+1), pebble.NoSync)
		if err != nil {
			return fmt.Errorf("pebble: expire: %w", err)
		}
	}
	t.buckets = keep
	return nil
}

// Close deletes the table.
func (t *table) Close() error {
	if t.store.closed.Load() {
		return nil // the folder is emptied when it is opened again
	}
	first := binary.BigEndian.AppendUint32(nil, t.number)
	behind := binary.BigEndian.AppendUint32(nil, t.number+1)
	t.filters, t.buckets = nil, nil
	if err := t.store.db.DeleteRange(first, behind, pebble.NoSync); err != nil {
		return fmt.Errorf("pebble: close: %w", err)
	}
	return nil
}
