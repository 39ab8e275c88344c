package lease

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// change is a write of a lease; forget deletes it.
type change struct {
	old    uint64
	item   Item
	forget bool
}

// plan says what we must write, given the leases, who is alive and who takes leases.
func (m *Member) plan(leases map[string]Item, alive map[string]bool, taking []string, now time.Time) (out []change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	to := func(lane, owner, asker string) {
		old := leases[lane].Counter
		out = append(out, change{old: old, item: Item{leasePrefix + lane, old + 1, owner, asker}})
	}
	// Before the leases that they came from go: others wait for these.
	for lane, h := range m.pending {
		if h.state == claimed && !alive[leases[lane].Owner] {
			to(lane, m.name, "")
		}
	}
	for lane, it := range leases {
		h, pending := m.pending[lane]
		if it.Owner != m.name || pending && h.state != released || m.lanes == nil {
			continue
		}
		switch {
		case !m.lanes[lane]:
			out = append(out, change{item: it, forget: true})
		case pending && alive[it.Asker]:
			to(lane, it.Asker, "")
		case pending:
			to(lane, "", "")
		}
	}
	// Processes that start together see each other first.
	if m.since.IsZero() || now.Sub(m.since) < m.opts.Beat/2 || !slices.Contains(taking, m.name) {
		return out
	}
	maps.DeleteFunc(m.others.waited, func(lane string, _ time.Time) bool { return !m.lanes[lane] })
	owners := map[string]string{}
	for lane := range m.lanes {
		it := leases[lane]
		if m.reserved(lane, leases, alive, now) {
			continue
		}
		switch {
		case m.pending[lane].state == claimed:
			owners[lane] = m.name
		case alive[it.Asker]:
			owners[lane] = it.Asker
		case alive[it.Owner]:
			owners[lane] = it.Owner
		default:
			owners[lane] = ""
		}
	}
	m.overdue(leases, alive, now, to)
	for _, mv := range deal(taking, owners) {
		it := leases[mv.key]
		if _, busy := m.pending[mv.key]; mv.to != m.name || busy {
			continue
		}
		if mv.ask && alive[it.Owner] {
			if it.Asker == "" || !alive[it.Asker] {
				to(mv.key, it.Owner, m.name)
			}
			continue
		}
		to(mv.key, m.name, "")
	}
	return out
}

// reserved reports whether we should leave a lease that nobody has ever had to another member. The lane may have come out
// of a lane that is over and whose lease a live member has. That member reads it already, and claims it within a moment or
// gives the old lease up. We wait for the lease time at most.
func (m *Member) reserved(lane string, leases map[string]Item, alive map[string]bool, now time.Time) bool {
	if _, there := leases[lane]; there || m.pending[lane].state == claimed {
		delete(m.others.waited, lane)
		return false
	}
	for old, it := range leases {
		if m.lanes[old] || it.Owner == m.name || !alive[it.Owner] {
			continue
		}
		since, ok := m.others.waited[lane]
		if !ok {
			m.others.waited[lane] = now
			since = now
		}
		return now.Sub(since) < m.opts.Lease
	}
	return false
}

// overdue takes leases that we asked for, if their owners did not give them away in time or have died since.
func (m *Member) overdue(leases map[string]Item, alive map[string]bool, now time.Time, to func(lane, owner, asker string)) {
	for lane := range m.others.asked {
		if leases[lane].Asker != m.name {
			delete(m.others.asked, lane)
		}
	}
	for lane := range m.lanes {
		it := leases[lane]
		if it.Asker != m.name || it.Owner == m.name {
			continue
		}
		since, ok := m.others.asked[lane]
		if !ok {
			m.others.asked[lane] = now
			since = now
		}
		if late := now.Sub(since) >= m.opts.HandOver; late || !alive[it.Owner] {
			if late && alive[it.Owner] {
				m.opts.Logger.Warn("lease was not given away in time", "lane", lane, "owner", it.Owner)
			}
			to(lane, m.name, "")
		}
	}
}

// write makes a change. A change that comes too late does nothing; the next look shows the present state.
func (m *Member) write(ctx context.Context, c change) error {
	if c.forget {
		return m.remove(ctx, c.item)
	}
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	err := m.table.Swap(ctx, c.old, c.item)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}
