package dedup

import (
	"context"
	"encoding/binary"
	"math/bits"
	"time"
)

const segments = 64

// memTable is a set of 112-bit hashes, each with the tag of its time bucket, in open-addressing segments. To forget a
// bucket it marks the bucket's tag as dead; places with that tag count as free from then on. Segments grow one by one and
// at different sizes, so neither time nor memory jumps.
type memTable struct {
	bucket       time.Duration
	seed0, seed1 uint64 // places must not be foreseeable: IDs come from strangers
	tags         tags
	seg          [segments]segment
	probe        [touch]key
	sink         uint64
	sweeps       int // of all places, for tags
}

// key is a hash with the bits that choose its place.
type key struct {
	lo, hi uint64 // hi has zeros in its lowest bits, where the tag goes
	at     uint64
}

// touch is how many claims are loaded ahead, so that their cache misses overlap.
const touch = 64

func newMemTable(bucket time.Duration, seed0, seed1 uint64) *memTable {
	t := &memTable{bucket: bucket, seed0: seed0, seed1: seed1}
	t.tags.init()
	for i := range t.seg {
		t.seg[i].init(i)
	}
	return t
}

// Claim takes the IDs that no one has.
func (t *memTable) Claim(_ context.Context, claims []Claim, won []bool) error {
	t.each(claims, func(i int, k key, tag uint16) {
		isNew := t.insert(k, tag, claims[i].Force)
		won[i] = isNew || claims[i].Force
	})
	return nil
}

// Refill takes the IDs and keeps the newest bucket of each.
func (t *memTable) Refill(_ context.Context, claims []Claim, won []bool) error {
	t.each(claims, func(i int, k key, tag uint16) { won[i] = t.insert(k, tag, true) })
	return nil
}

// each calls f for each claim, after it has touched the places of a group of them.
func (t *memTable) each(claims []Claim, f func(i int, k key, tag uint16)) {
	for base := 0; base < len(claims); base += touch {
		group := claims[base:min(base+touch, len(claims))]
		for i := range group {
			k := t.key(&group[i].ID)
			t.probe[i] = k
			s := &t.seg[k.at%segments]
			t.sink += s.slots[s.home(k.at)].lo // the loads are independent, so the processor has them under way together
		}
		for i := range group {
			f(base+i, t.probe[i], t.tag(BucketOf(group[i].Time, t.bucket)))
		}
	}
}

func (t *memTable) key(id *ID) key {
	k := key{lo: binary.LittleEndian.Uint64(id[:8]), hi: binary.LittleEndian.Uint64(id[8:]) &^ tagMask}
	a, b := bits.Mul64(k.lo^t.seed0, k.hi^t.seed1)
	k.at = a ^ b
	return k
}

// insert returns whether the key was new. With newest, a known key moves to the bucket of tag if that is newer.
func (t *memTable) insert(k key, tag uint16, newest bool) bool {
	s := &t.seg[k.at%segments]
	if s.full() {
		t.rebuild(s)
	}
	i, found := s.find(k, &t.tags)
	if !found {
		s.put(i, k, tag)
		return true
	}
	if had := s.slots[i].hi & tagMask; newest && t.tags.of[had] < t.tags.of[tag] {
		s.slots[i].hi = k.hi | uint64(tag)
	}
	return false
}

// tag returns the tag of a bucket, and makes one if there is none. It scans all places only where that frees many tags.
// With 255 buckets alive each record of a bucket without a tag once paid for a scan, 52 ms.
func (t *memTable) tag(bucket int64) uint16 {
	if bucket == t.tags.lastBucket {
		return t.tags.last
	}
	tag, ok := t.tags.get(bucket)
	if !ok && t.tags.deaths >= spareTags {
		for i := range t.seg { // dead tags still lie in the segments
			t.rebuild(&t.seg[i])
		}
		t.tags.sweep()
		t.sweeps++
		tag, ok = t.tags.get(bucket)
	}
	if !ok {
		tag = t.tags.share(bucket)
	}
	t.tags.last, t.tags.lastBucket = tag, bucket
	return tag
}

func (t *memTable) rebuild(s *segment) { s.rebuild(&t.tags, t) }

// Expire forgets whole buckets.
func (t *memTable) Expire(_ context.Context, at time.Time) error {
	t.tags.expire(BucketOf(at, t.bucket))
	return nil
}

// Close lets go of the memory.
func (t *memTable) Close() error {
	*t = memTable{}
	return nil
}
