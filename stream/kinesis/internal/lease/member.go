package lease

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/when"
)

// Member is this process among those that share the lanes out. One goroutine each may call SetLanes, Next and Release,
// beside each other. Any goroutine may call Close, once.
type Member struct {
	table Table
	opts  Options
	name  string
	stop  context.CancelFunc
	ended chan struct{}
	wake  chan struct{} // there may be something to write before the next beat
	news  chan struct{} // Next may have something to say

	mu      sync.Mutex
	lanes   map[string]bool // nil before the first SetLanes
	pending map[string]hold
	said    []string // what Next returned last
	again   bool     // Next is to return even if nothing has changed: the caller has leases that it did not have from there
	err     error    // why the job must stop

	// The rest belongs to the goroutine of run.
	limit   time.Duration // of a call of the table
	since   time.Time     // when others could first see that we take leases
	counter uint64        // of the own item; 0 is not known
	others  others
	failing bool
}

// others is what we know of the other members, and what we wait for.
type others struct {
	looked time.Time // at the table, last
	seen   map[string]sight
	asked  map[string]time.Time // when we asked for a lease, by key
	waited map[string]time.Time // since when we leave a free lease to a member that may read its lane already
}

// hold is the state of a lane that is, or was, ours by the table.
type hold struct {
	state    state
	deadline time.Time // of one that is to go
}

type state uint8

const (
	reading  state = iota
	claimed        // reading, and the table is to say so
	going          // asked for by another, or no lane any more: until Release
	gone           // taken by another: until Release
	released       // to be given away in the table
)

// Join takes part under a fresh name. It writes to the table and reads it, so an error shows what is wrong with it. ctx
// bounds that; the member lives until Close.
func Join(ctx context.Context, table Table, opts *Options) (*Member, error) {
	o, err := opts.fill()
	if err != nil {
		return nil, err
	}
	m := &Member{
		table: table, opts: o, name: crand.Text(), ended: make(chan struct{}), wake: make(chan struct{}, 1),
		news: make(chan struct{}, 1), pending: map[string]hold{},
		others: others{seen: map[string]sight{}, asked: map[string]time.Time{}, waited: map[string]time.Time{}},
	}
	m.limit = time.Hour // ctx says how long; a first call may have to look for credentials
	if _, err := m.step(ctx); err != nil {
		return nil, fmt.Errorf("lease: join: %w", err)
	}
	m.limit = max(3*time.Second, o.Lease/3)
	run, stop := context.WithCancel(context.Background())
	m.stop = stop
	go m.run(run)
	return m, nil
}

// Name is the name of this member in the table.
func (m *Member) Name() string { return m.name }

// SetLanes sets the present lanes. Lanes that are missing need no reader any more. kept are new ones that we already read
// as parts of such lanes. Next returns at once, with each of them unless another member was faster.
func (m *Member) SetLanes(lanes, kept []string) {
	m.mu.Lock()
	m.lanes = make(map[string]bool, len(lanes))
	for _, l := range lanes {
		m.lanes[l] = true
	}
	for _, l := range kept {
		if _, ok := m.pending[l]; !ok {
			m.pending[l] = hold{state: claimed}
		}
	}
	m.again = m.again || len(kept) > 0
	m.mu.Unlock()
	retry.Wake(m.news)
	retry.Wake(m.wake)
}

// Next blocks until the lanes that this process should read differ from what its last call returned, and returns all of
// them, sorted. For those that are missing the caller must call Release, by the deadline if it is not zero.
func (m *Member) Next(ctx context.Context) (lanes []string, deadline time.Time, err error) {
	for {
		if lanes, deadline, changed, err := m.now(); changed || err != nil {
			return lanes, deadline, err
		}
		select {
		case <-m.news:
		case <-m.ended:
			return nil, time.Time{}, errors.New("lease: closed")
		case <-ctx.Done():
			return nil, time.Time{}, context.Cause(ctx)
		}
	}
}

func (m *Member) now() (lanes []string, deadline time.Time, changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, time.Time{}, false, m.err
	}
	for _, lane := range slices.Sorted(maps.Keys(m.pending)) {
		h := m.pending[lane]
		if h.state <= claimed {
			lanes = append(lanes, lane)
		} else if slices.Contains(m.said, lane) {
			deadline = when.First(deadline, h.deadline)
		}
	}
	changed = m.again || !slices.Equal(lanes, m.said)
	m.again = false
	m.said = slices.Clone(lanes)
	return lanes, deadline, changed, nil
}

// Release tells that a lane was given up.
func (m *Member) Release(lane string) {
	m.mu.Lock()
	h, ok := m.pending[lane]
	switch {
	case ok && h.state == gone:
		delete(m.pending, lane)
	case ok:
		m.pending[lane] = hold{state: released}
	}
	m.mu.Unlock()
	retry.Wake(m.wake)
}

// Close leaves with one write, for which it waits a moment. After it the others take all that was ours. If the write fails,
// they wait for the lease time.
func (m *Member) Close() error {
	m.stop()
	<-m.ended
	ctx, cancel := context.WithTimeout(context.Background(), m.limit)
	defer cancel()
	key := memberPrefix + m.name
	err := m.table.Delete(ctx, key, m.counter)
	if errors.Is(err, ErrConflict) {
		err = m.table.Delete(ctx, key, m.counter+1) // a beat whose reply did not come
	}
	if err != nil {
		return fmt.Errorf("lease: leave: %w", err)
	}
	return nil
}

func (m *Member) run(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		more, err := m.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrRefused) {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			retry.Wake(m.news)
			return
		}
		if (err != nil) != m.failing {
			m.failing = err != nil
			m.opts.Logger.Warn("table of leases", "error", err)
		}
		if more && err == nil {
			continue
		}
		// The beat is kept, also after an error: the others count how long we are silent.
		_ = retry.Sleep(ctx, retry.Around(m.opts.Beat), m.wake)
	}
}
