package dedup

import (
	"math"
	"slices"
)

// tagMask has those of a place's bits that are its tag.
const tagMask = 1<<16 - 1

// maxTags bounds the time buckets that a table distinguishes. It is four times what Options allows for a window, so that
// buckets of odd times find room. Buckets without a tag of their own share one.
const maxTags = 4 * MaxBuckets

// spareTags is how many tags must be dead before a scan of all places is worth it.
const spareTags = maxTags / 8

// tags numbers time buckets from 1 on. The number of an expired bucket is dead. It can be used again once no place has it.
type tags struct {
	of         []int64 // bucket of each tag in use
	dead       []bool
	deaths     int
	byBucket   map[int64]uint16
	ascending  []int64 // the keys of byBucket
	free       []uint16
	last       uint16
	lastBucket int64
}

func (t *tags) init() {
	t.byBucket = map[int64]uint16{}
	t.of, t.dead = make([]int64, 1, 32), make([]bool, 1, 32)
	t.lastBucket = math.MinInt64
}

// get returns the tag of bucket, or a free one for it.
func (t *tags) get(bucket int64) (uint16, bool) {
	if tag, ok := t.byBucket[bucket]; ok {
		return tag, true
	}
	var tag uint16
	if n := len(t.free); n > 0 {
		tag = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if len(t.of) > maxTags {
			return 0, false
		}
		tag = uint16(len(t.of))
		t.of, t.dead = append(t.of, 0), append(t.dead, false)
	}
	i, _ := slices.BinarySearch(t.ascending, bucket)
	t.ascending = slices.Insert(t.ascending, i, bucket)
	t.of[tag], t.byBucket[bucket] = bucket, tag
	return tag, true
}

// sweep frees the dead tags; no place may have one.
func (t *tags) sweep() {
	for i := range t.dead {
		if t.dead[i] {
			t.dead[i] = false
			t.free = append(t.free, uint16(i))
		}
	}
	t.deaths = 0
}

// share is get for when no tag is free: bucket shares the tag of the next newer one, or the newest one becomes newer. So
// some IDs are remembered for longer than asked, none for less.
func (t *tags) share(bucket int64) uint16 {
	i, _ := slices.BinarySearch(t.ascending, bucket)
	if i < len(t.ascending) {
		return t.byBucket[t.ascending[i]]
	}
	newest := t.ascending[i-1]
	tag := t.byBucket[newest]
	delete(t.byBucket, newest)
	t.of[tag], t.byBucket[bucket], t.ascending[i-1] = bucket, tag, bucket
	return tag
}

// expire kills the tags of buckets before the given one.
func (t *tags) expire(before int64) {
	n, _ := slices.BinarySearch(t.ascending, before)
	for _, b := range t.ascending[:n] {
		t.dead[t.byBucket[b]] = true
		delete(t.byBucket, b)
	}
	t.deaths += n
	t.ascending = t.ascending[:copy(t.ascending, t.ascending[n:])]
	t.lastBucket = math.MinInt64
}
