package dedup

import (
	"context"
	"math/rand/v2"
)

// NewMemory makes a local store in the memory of this process. It takes about 24 bytes an ID while it fills, and 28 to 32
// where IDs come and go. The garbage collector scans none of them. It stores no holders, since a local table gets each
// record once.
func NewMemory(*MemoryOptions) *Memory { return &Memory{} }

// MemoryOptions are the optional settings of NewMemory; there is none yet.
type MemoryOptions struct{}

// Memory is a local store in memory. It is safe for concurrent use.
type Memory struct{}

// Open returns an empty table.
func (m *Memory) Open(_ context.Context, s Space) (Table, error) {
	return newMemTable(s.Bucket, rand.Uint64(), rand.Uint64()), nil
}

// Local marks the store as one with a table for each lane.
func (*Memory) Local() {}

// Close does nothing: the memory goes with the tables.
func (*Memory) Close() error { return nil }
