package dedup

import "math"

// tags gives time buckets numbers from 1 to 255. A number whose bucket has expired is dead; it can be used again once no
// place has it.
type tags struct {
	of         [256]int64 // bucket of each tag in use
	dead       [256]bool
	byBucket   map[int64]uint8
	free       []uint8
	last       uint8
	lastBucket int64
}

func (t *tags) init() {
	t.byBucket = map[int64]uint8{}
	for i := 255; i > 0; i-- {
		t.free = append(t.free, uint8(i))
	}
	t.lastBucket = math.MinInt64
}

// get returns the tag of bucket, or a free one for it.
func (t *tags) get(bucket int64) (uint8, bool) {
	if tag, ok := t.byBucket[bucket]; ok {
		return tag, true
	}
	if len(t.free) == 0 {
		return 0, false
	}
	tag := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.of[tag], t.byBucket[bucket] = bucket, tag
	return tag, true
}

// sweep frees the dead tags; no place may have one.
func (t *tags) sweep() {
	for i := range t.dead {
		if t.dead[i] {
			t.dead[i] = false
			t.free = append(t.free, uint8(i))
		}
	}
}

// force is get for when 255 buckets are alive: bucket shares the tag of the next newer one, or the newest one becomes
// newer. So some IDs are remembered for longer than asked, none for less.
func (t *tags) force(bucket int64) uint8 {
	if tag, ok := t.get(bucket); ok {
		return tag
	}
	newest, next := int64(math.MinInt64), int64(math.MaxInt64)
	for b := range t.byBucket {
		newest = max(newest, b)
		if b > bucket {
			next = min(next, b)
		}
	}
	if next != math.MaxInt64 {
		return t.byBucket[next]
	}
	tag := t.byBucket[newest]
	delete(t.byBucket, newest)
	t.of[tag], t.byBucket[bucket] = bucket, tag
	return tag
}

// expire kills the tags of buckets before the given one.
func (t *tags) expire(before int64) {
	for b, tag := range t.byBucket {
		if b < before {
			delete(t.byBucket, b)
			t.dead[tag] = true
		}
	}
	t.lastBucket = math.MinInt64
}
