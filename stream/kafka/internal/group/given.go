package group

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
)

// Given says which lanes are ours where no group does. It has the methods of a Member that concern lanes.
type Given struct {
	host     Host
	separate bool

	mu     sync.Mutex
	view   *cluster.View
	wanted []int32 // numbers of partitions
	has    map[string]cluster.Lane
}

// NewGiven begins without lanes. v has the topics.
func NewGiven(host Host, v *cluster.View, separate bool) *Given {
	return &Given{host: host, separate: separate, view: v, has: map[string]cluster.Lane{}}
}

// Give says of which partitions the lanes are ours from now on.
func (g *Given) Give(ids []string) {
	var wanted []int32
	for _, id := range ids {
		if n, err := strconv.ParseInt(id, 10, 32); err == nil && n >= 0 && !slices.Contains(wanted, int32(n)) {
			wanted = append(wanted, int32(n))
		}
	}
	g.mu.Lock()
	g.wanted = wanted
	g.mu.Unlock()
	g.host.Changed()
}

// Update takes in what topics there are.
func (g *Given) Update(v *cluster.View) {
	g.mu.Lock()
	g.view = v
	g.mu.Unlock()
	g.host.Changed()
}

// Tell returns lanes that are ours since its last call, or lanes that no longer are, which may commit as long as they like.
func (g *Given) Tell() (given, taken []cluster.Lane, deadline time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	claims := map[string][]int32{}
	for topic := range g.view.Topics {
		claims[topic] = g.wanted
	}
	lanes, _ := g.view.Lanes(claims, g.separate)
	now := map[string]bool{}
	for _, l := range lanes {
		now[l.Name] = true
		if _, had := g.has[l.Name]; !had {
			given = append(given, l)
		}
	}
	for name, l := range g.has {
		if !now[name] {
			taken = append(taken, l)
		}
	}
	if len(taken) > 0 { // first
		for _, l := range taken {
			delete(g.has, l.Name)
		}
		slices.SortFunc(taken, func(a, b cluster.Lane) int { return a.Parts[0].Name.Compare(b.Parts[0].Name) })
		if len(given) > 0 {
			g.host.Changed()
		}
		return nil, taken, time.Time{}
	}
	for _, l := range given {
		g.has[l.Name] = l
	}
	return given, nil, time.Time{}
}

// Start does nothing: there is no group.
func (g *Given) Start() {}

// LetGo does nothing.
func (g *Given) LetGo() {}

// Close does nothing.
func (g *Given) Close() {}

// Ended is false: lanes are always somebody's.
func (g *Given) Ended() bool { return false }

// Outside is never.
func (g *Given) Outside() (since time.Time, why error) { return time.Time{}, nil }

// Name is empty.
func (g *Given) Name() string { return "" }
