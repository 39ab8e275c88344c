package service

import (
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Listing is the service's last list of the stream's shards, and the pace of each. It is safe for concurrent use. Under its
// lock no other is taken.
type Listing struct {
	Epoch string // of the stream

	mu     sync.Mutex
	shards map[string]Shard // by ID
	keeps  time.Duration    // retention
	paces  map[string]*Pace // by shard
}

// NewListing makes a listing without shards.
func NewListing(d *Description) *Listing {
	return &Listing{Epoch: d.Epoch(), keeps: d.Retention, paces: map[string]*Pace{}}
}

// Set replaces the list.
func (l *Listing) Set(shards []Shard) {
	byID := make(map[string]Shard, len(shards))
	for _, sh := range shards {
		byID[sh.ID] = sh
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shards = byID
}

// Of is what the service says of a partition.
func (l *Listing) Of(p record.Partition) (Shard, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sh, ok := l.shards[p.ID]
	return sh, ok && p.Epoch == l.Epoch
}

// ParentOf is the first parent of a shard; empty if there is none.
func (l *Listing) ParentOf(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sh := l.shards[id]; len(sh.Parents) > 0 {
		return sh.Parents[0]
	}
	return ""
}

// PaceOf is the pace of a shard, which outlives the runs that read the shard.
func (l *Listing) PaceOf(p record.Partition) *Pace {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.paces[p.ID]
	if k == nil {
		k = &Pace{}
		l.paces[p.ID] = k
	}
	return k
}

// Retention is for how long the stream keeps records.
func (l *Listing) Retention() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keeps
}

// Retain notes for how long the stream keeps records.
func (l *Listing) Retain(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keeps = d
}
