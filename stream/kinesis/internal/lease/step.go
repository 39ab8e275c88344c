package lease

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

// maxWrites bounds the writes of one step, so that a member beats in between when it gets a thousand leases.
const maxWrites = 50

// sight is how long we have seen a member's counter unchanged, on our own clock.
type sight struct {
	counter uint64
	silent  time.Duration
}

// step beats, looks at the table, and writes what we must write. It reports whether there is more to write.
func (m *Member) step(ctx context.Context) (more bool, err error) {
	if err := m.beat(ctx); err != nil {
		return false, err
	}
	begin := time.Now()
	items, err := m.list(ctx)
	if err != nil {
		return false, err
	}
	now := time.Now()
	alive, taking := m.observe(items, begin)
	leases := make(map[string]Item, len(items))
	for _, it := range items {
		if lane, ok := strings.CutPrefix(it.Key, leasePrefix); ok {
			leases[lane] = it
		}
	}
	m.settle(leases, alive, now)
	writes := m.plan(leases, alive, taking, now)
	for i, w := range writes {
		if i == maxWrites {
			return true, nil
		}
		if err := m.write(ctx, w); err != nil {
			return false, err
		}
	}
	// What was written shows in the next list; until then the lanes that were taken wait.
	return len(writes) > 0, m.bury(ctx, items, alive)
}

// beat adds to the counter of our item, which also says whether we take leases yet. If others took us for dead the item is
// gone, and beat makes it again.
func (m *Member) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	m.mu.Lock()
	ready := m.lanes != nil
	m.mu.Unlock()
	it := Item{Key: memberPrefix + m.name, Counter: m.counter + 1}
	if ready {
		it.Owner = m.name
	}
	err := m.table.Swap(ctx, m.counter, it)
	if errors.Is(err, ErrConflict) { // an earlier beat said that we were not ready, and its reply was lost
		it.Counter++
		err = m.table.Swap(ctx, it.Counter-1, it)
	}
	if errors.Is(err, ErrConflict) {
		err = m.table.Swap(ctx, 0, it)
	}
	if err != nil {
		return err
	}
	m.counter = it.Counter
	if ready && m.since.IsZero() {
		m.since = time.Now()
	}
	return nil
}

func (m *Member) list(ctx context.Context) ([]Item, error) {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	return m.table.List(ctx)
}

// observe returns the live members, always with ourselves, and those of them that take leases: a member that is still
// starting must not be left any. If we did not look for long, because of a pause or a table that answered nobody, only a
// part of that time counts, since the others may have been unable to beat.
func (m *Member) observe(items []Item, now time.Time) (alive map[string]bool, taking []string) {
	passed := min(now.Sub(m.others.looked), m.opts.Lease/3)
	m.others.looked = now
	alive = map[string]bool{m.name: true}
	there := map[string]bool{}
	for _, it := range items {
		name, ok := strings.CutPrefix(it.Key, memberPrefix)
		if !ok {
			continue
		}
		if name == m.name {
			taking = append(taking, name)
			continue
		}
		there[name] = true
		s, known := m.others.seen[name]
		if known && s.counter == it.Counter {
			s.silent += passed
		} else {
			s = sight{counter: it.Counter}
		}
		m.others.seen[name] = s
		if s.silent < m.opts.Lease {
			alive[name] = true
			if it.Owner == name {
				taking = append(taking, name)
			}
		}
	}
	for name := range m.others.seen {
		if !there[name] {
			delete(m.others.seen, name)
		}
	}
	return alive, taking
}

// settle brings what we hold in line with the table.
func (m *Member) settle(leases map[string]Item, alive map[string]bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for lane, it := range leases {
		h, ok := m.pending[lane]
		switch ours := it.Owner == m.name; {
		case ours && (!ok && m.lanes[lane] || h.state == claimed):
			m.pending[lane] = hold{}
			m.opts.Logger.Info("lease taken", "lane", lane)
		case ours && ok && h.state == reading && it.Asker != "" && alive[it.Asker]:
			m.pending[lane] = hold{going, now.Add(m.opts.HandOver * 3 / 4)} // the asker waits for longer than that
			m.opts.Logger.Info("lease asked for", "lane", lane, "by", it.Asker)
		}
	}
	for lane, h := range m.pending {
		owner := leases[lane].Owner
		switch ours := owner == m.name; {
		case h.state == released && !ours:
			delete(m.pending, lane)
		case h.state == claimed && !alive[owner] && m.lanes[lane]: // plan takes it
		case h.state == claimed && !ours: // Next may never have had it
			delete(m.pending, lane)
			m.again = true
		case h.state <= going && !ours:
			m.pending[lane] = hold{state: gone}
			m.opts.Logger.Warn("lease lost", "lane", lane, "to", leases[lane].Owner)
		case h.state <= claimed && m.lanes != nil && !m.lanes[lane]:
			m.pending[lane] = hold{state: going}
		}
	}
	retry.Wake(m.news)
}

// bury deletes members that died long ago, and leases of lanes that are no more.
func (m *Member) bury(ctx context.Context, items []Item, alive map[string]bool) error {
	m.mu.Lock()
	lanes := m.lanes
	m.mu.Unlock()
	if lanes == nil {
		return nil
	}
	for _, it := range items {
		lane, isLease := strings.CutPrefix(it.Key, leasePrefix)
		name := strings.TrimPrefix(it.Key, memberPrefix)
		switch {
		case isLease && (lanes[lane] || alive[it.Owner]):
			continue
		case !isLease && (alive[name] || m.others.seen[name].silent < 10*m.opts.Lease):
			continue
		}
		if err := m.remove(ctx, it); err != nil {
			return err
		}
	}
	return nil
}

func (m *Member) remove(ctx context.Context, it Item) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	err := m.table.Delete(ctx, it.Key, it.Counter)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}
