package merge

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// board has what is told of a merge. Its lock is taken alone.
type board struct {
	opts  *Options
	sides []*side

	mu      sync.Mutex
	counts  map[string]*Counts
	holding map[string]holding // by side
}

// holding is since when a side holds others, and why it is not known whether its log has ended.
type holding struct {
	since time.Time
	lane  string
	err   error
}

// hold notes who holds others.
func (b *board) hold(by map[string]holding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holding = by
}

// stalled says which sides have held others for long.
func (b *board) stalled() (all error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.sides {
		by, ok := b.holding[o.name]
		if !ok || time.Since(by.since) < b.opts.Stall {
			continue
		}
		err := fmt.Errorf("merge: side %q has held lane %s since %s: it gives no record and does not prove that its log ends", o.name, by.lane,
			by.since.UTC().Format(time.RFC3339))
		if by.err != nil {
			err = fmt.Errorf("%w: %w", err, by.err)
		}
		all = errors.Join(all, err)
	}
	return all
}

// all are the counts of all sides.
func (b *board) all() map[string]Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]Counts{}
	for name, c := range b.counts {
		all[name] = *c
	}
	return all
}

// count takes down what has gone in a lane.
func (b *board) count(l *lane) {
	b.mu.Lock()
	for i := range l.in {
		now := l.order.Counts(i)
		b.counts[b.sides[i].name].add(now, l.in[i].told)
		l.in[i].told = now
	}
	b.mu.Unlock()
	for i := range l.in {
		b.note(l, i, l.order.Left(i), l.order.Astray(i))
	}
}

// note takes down whether a lane waits for a side. What begins in some lane, and what is over in all, is logged.
func (b *board) note(l *lane, i int, left, astray bool) {
	in, o := &l.in[i], b.sides[i]
	if in.left != left {
		in.left = left
		if o.left += step(left); o.left == 1 && left {
			b.opts.Logger.Warn("the others go on without a side, so their records are not in order with its own", "side", o.name, "lane", l.name,
				"waited", b.opts.Patience, "error", o.err)
		} else if o.left == 0 {
			b.opts.Logger.Info("a side is waited for again", "side", o.name)
		}
	}
	if in.astray != astray {
		in.astray = astray
		if o.astray += step(astray); o.astray == 1 && astray {
			b.opts.Logger.Warn("the times of a side are not believed, so its records are not in order with others", "side", o.name, "lane", l.name)
		} else if o.astray == 0 {
			b.opts.Logger.Info("the times of a side are believed again", "side", o.name)
		}
	}
}

func step(up bool) int {
	if up {
		return 1
	}
	return -1
}
