package lease

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memory is a Table with faults. It is safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	items map[string]Item
	calls int

	// fault, if not nil, is asked at each call of Swap, Delete and List whether it fails before or after it took effect.
	fault func(call int, key string) (before, after error)
	delay time.Duration // of each call
}

func newMemory() *memory { return &memory{items: map[string]Item{}} }

func (m *memory) call(ctx context.Context, key string, f func() error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(m.delay):
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	var before, after error
	if m.fault != nil {
		before, after = m.fault(m.calls, key)
	}
	if before != nil {
		return before
	}
	return errors.Join(f(), after)
}

func (m *memory) List(ctx context.Context) (out []Item, err error) {
	err = m.call(ctx, "", func() error {
		for _, k := range slices.Sorted(maps.Keys(m.items)) {
			out = append(out, m.items[k])
		}
		return nil
	})
	return out, err
}

func (m *memory) Swap(ctx context.Context, old uint64, it Item) error {
	return m.call(ctx, it.Key, func() error {
		if now := m.items[it.Key]; now != it && now.Counter != old {
			return ErrConflict
		}
		m.items[it.Key] = it
		return nil
	})
}

func (m *memory) Delete(ctx context.Context, key string, counter uint64) error {
	return m.call(ctx, key, func() error {
		if now, ok := m.items[key]; ok && now.Counter != counter {
			return ErrConflict
		}
		delete(m.items, key)
		return nil
	})
}

func (m *memory) set(fault func(call int, key string) (before, after error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

// keys are those of the items with a prefix, without it.
func (m *memory) keys(prefix string) (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.items {
		if k, ok := strings.CutPrefix(k, prefix); ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
