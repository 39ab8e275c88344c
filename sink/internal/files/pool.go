package files

import (
	"cmp"
	"sync"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
)

// Flow is one named output: see sink.Flow.
type Flow[T any] struct {
	Name     string
	Where    func(*T) bool // nil wants all
	Format   format.Format[T]
	Codec    codec.Codec
	Keys     []Key[T]
	DropLate bool // late rows are counted only
	Merge    bool // on-time rows go into packs
}

// Key is one folder level below the hour.
type Key[T any] struct {
	Name  string
	Value func(*T) string
}

// Config is what all transactions of a run share.
type Config[T any] struct {
	Layout  Layout
	Flows   []Flow[T]
	Workers int
	Budget  *driver.Budget
	Env     *env.Env
}

// Pool makes the Writers of a run's transactions. It keeps encoders, compressors and maps from one transaction to the next.
// It is safe for concurrent use.
type Pool[T any] struct {
	cfg    Config[T]
	shared []*shared // by flow
	dead   *shared
	notes  *shared
	slabs  sync.Pool // of cells
	keep   int32     // compressors that a worker may keep in one transaction

	mu   sync.Mutex
	idle []*worker[T] // of transactions that are over
}

// NewPool makes a Pool.
func NewPool[T any](c Config[T]) *Pool[T] {
	p := &Pool[T]{cfg: c, keep: keepCompressors, dead: newShared(format.DeadLetters().Ext(), codec.Gzip), notes: newShared(NoteExt, codec.Zstd)}
	p.slabs.New = newSlab
	for i := range c.Flows {
		s := newShared(c.Flows[i].Format.Ext(), c.Flows[i].Codec)
		if j, ok := c.Flows[i].Format.(format.Joiner); ok {
			s.joined(j.Join(), c.Budget.Limit(), c.Workers)
		}
		p.shared = append(p.shared, s)
	}
	if limit := c.Budget.Limit(); limit > 0 {
		p.keep = int32(max(1, min(keepCompressors, limit/4/int64(c.Workers)/compressorBytes)))
	}
	return p
}

// Writers are for the workers of a transaction, whose files s is.
func (p *Pool[T]) Writers(s *Set) *Writers[T] {
	return &Writers[T]{pool: p, set: s, workers: make([]*worker[T], p.cfg.Workers)}
}

// worker returns one that is not in use.
func (p *Pool[T]) worker(s *Set) *worker[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		w.set = s
		return w
	}
	w := &worker[T]{
		pool: p, set: s, lot: p.lot(), hours: map[int64]*hourFolders{}, dead: map[int64]*buffer{}, notes: map[noteHour]*buffer{},
		dropped: make([]int64, len(p.cfg.Flows)), deadEnc: format.DeadLetters().Open(),
	}
	for i := range p.cfg.Flows {
		w.encs = append(w.encs, p.cfg.Flows[i].Format.Open())
	}
	return w
}

func (p *Pool[T]) lot() *lot { return &lot{keep: p.keep, cells: cells{slabs: &p.slabs}} }

func (p *Pool[T]) putBack(w *worker[T]) {
	w.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
}

// shedFloor is how much a worker's buffers must hold before it writes them out early because the budget is over. Others may
// have used the budget up, and tiny frames would not help. Of rows for packs no more ever waits: they need no large frames,
// so there is no reason to fill the budget with them, and then the transaction that commits and the next one have room for a merge.
func (p *Pool[T]) shedFloor() int64 {
	return cmp.Or(p.cfg.Budget.Limit(), 1<<62) / 8 / int64(p.cfg.Workers)
}
