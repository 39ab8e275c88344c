package pebble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/onceflow/onceflow/dedup"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Memory is what the database may use for its cache and its buffers, without the filters.
	//
	// Defaults to 128 MiB.
	Memory int64

	// Volatile leaves the writing of claims to the operating system: a crash of the machine forgets the last ones. A
	// restart fills the tables again in any case.
	Volatile bool
}

// Store is a local store of dedup in a folder. It is safe for concurrent use.
type Store struct {
	db     *pebble.DB
	write  *pebble.WriteOptions
	tables atomic.Uint32
	closed atomic.Bool
}

// Open opens and empties the folder, which it makes if it does not exist. It fails if another process has it open.
func Open(dir string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Memory = cmp.Or(o.Memory, 128<<20)
	if o.Memory < 8<<20 {
		return nil, fmt.Errorf("pebble: Memory of %d bytes is less than 8 MiB", o.Memory)
	}
	cache := pebble.NewCache(o.Memory / 2)
	defer cache.Unref() // the database has its own reference
	po := &pebble.Options{
		Cache:                       cache,
		MemTableSize:                uint64(o.Memory / 8),
		MemTableStopWritesThreshold: 4,
		Logger:                      quiet{},
		FormatMajorVersion:          pebble.FormatNewest,
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(dir, po)
	if err != nil {
		return nil, fmt.Errorf("pebble: %w (%w)", err, dedup.ErrRefused)
	}
	s := &Store{db: db, write: pebble.Sync}
	if o.Volatile {
		s.write = pebble.NoSync
	}
	if err := db.DeleteRange([]byte{0}, []byte{0xff}, pebble.Sync); err != nil {
		return nil, errors.Join(fmt.Errorf("pebble: empty the folder: %w", err), db.Close())
	}
	return s, nil
}

// Open returns an empty table with keys of its own.
func (s *Store) Open(_ context.Context, sp dedup.Space) (dedup.Table, error) {
	if s.closed.Load() {
		return nil, fmt.Errorf("pebble: the store is closed (%w)", dedup.ErrRefused)
	}
	return &table{
		store: s, space: sp, number: s.tables.Add(1),
		filters: map[int64]*filter{}, pending: map[dedup.ID]int64{},
	}, nil
}

// Local marks the store as one with a table for each lane.
func (s *Store) Local() {}

// Close closes the database. The tables must be closed.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.db.Close()
}

// quiet keeps the database's chatter from the log of the job.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// Fatalf must not return: the database would go on without its log.
func (quiet) Fatalf(format string, args ...any) { panic("pebble: " + fmt.Sprintf(format, args...)) }
