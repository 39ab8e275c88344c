package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	key     [28]byte
}

// Claim takes the IDs that no one has. It keeps no holders, since a local table gets each record once.
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
	clear(t.pending)
	batch := t.store.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for i := range claims {
		c := &claims[i]
		bucket := dedup.BucketOf(c.Time, t.space.Bucket)
		had, known, err := t.find(&c.ID, &t.masks[i])
		if err != nil {
			return err
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
		t.filter(bucket).add(&t.masks[i])
		t.pending[c.ID] = bucket
	}
	if batch.Empty() {
		return nil
	}
	return batch.Commit(t.store.write)
}

// find returns the bucket of an ID.
func (t *table) find(id *dedup.ID, m *mask) (bucket int64, known bool, err error) {
	for _, b := range t.buckets {
		if !t.filters[b].has(m) {
			continue
		}
		if p, ok := t.pending[*id]; ok {
			return p, true, nil
		}
		_, closer, err := t.store.db.Get(t.keyOf(b, id))
		if err == nil {
			return b, true, closer.Close()
		}
		if !errors.Is(err, pebble.ErrNotFound) {
			return 0, false, err
		}
	}
	return 0, false, nil
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

// keyOf is valid until it is called again.
func (t *table) keyOf(bucket int64, id *dedup.ID) []byte {
	k := appendBucket(t.key[:0], t.number, bucket)
	return append(k, id[:]...)
}

// appendBucket appends what the keys of a bucket begin with. Flipping the sign's bit makes bytes sort as numbers do.
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
