package kinesis

import (
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// listing is what the service said last of the stream's shards, and the pace of each. It is safe for concurrent use; below its
// lock no other is taken.
type listing struct {
	epoch string // of the stream

	mu     sync.Mutex
	shards map[string]shard // by ID
	keeps  time.Duration    // retention
	paces  map[string]*pace // by shard
}

func newListing(d *description) *listing {
	return &listing{epoch: d.epoch(), keeps: d.retention, paces: map[string]*pace{}}
}

// set replaces the list.
func (l *listing) set(shards []shard) {
	byID := make(map[string]shard, len(shards))
	for _, sh := range shards {
		byID[sh.id] = sh
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shards = byID
}

// of is what the service says of a partition.
func (l *listing) of(p record.Partition) (shard, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sh, ok := l.shards[p.ID]
	return sh, ok && p.Epoch == l.epoch
}

// parentOf is the shard that a shard came from, its first parent; empty if there is none.
func (l *listing) parentOf(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sh := l.shards[id]; len(sh.parents) > 0 {
		return sh.parents[0]
	}
	return ""
}

// paceOf is the pace of a shard, which outlives the runs that read it.
func (l *listing) paceOf(p record.Partition) *pace {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.paces[p.ID]
	if k == nil {
		k = &pace{}
		l.paces[p.ID] = k
	}
	return k
}

// retention is for how long the stream keeps records.
func (l *listing) retention() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keeps
}

// retain notes for how long the stream keeps records.
func (l *listing) retain(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keeps = d
}
