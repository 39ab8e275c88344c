package fetch

import (
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// ahead is how many deliveries of a partition may wait before the loop stops asking for more.
const ahead = 2

// wants reports whether the loop should ask for records of p now. noRoom says that only room is missing.
func (l *loop) wants(p *part) (ask, noRoom bool) {
	if p.broker != l.id || p.asked || p.look || !p.active() || p.plan.fetched || p.lane.paused || (p.working != nil && p.working != l) {
		return false, false
	}
	if p.out >= ahead || !l.r.budget.fits(p.size) {
		return false, true
	}
	return true, false
}

// wanted reports whether the loop has something to ask for.
func (l *loop) wanted() bool {
	for _, p := range l.r.parts {
		if ask, _ := l.wants(p); ask {
			return true
		}
	}
	return l.shed()
}

// take fills r with a request for all partitions that the loop should ask for. It reports whether there are any.
func (l *loop) take(r *round) bool {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	r.asks = r.asks[:0]
	clear(r.topics)
	clear(r.index)
	r.req = wire.Request{
		MaxWait: idle, MinBytes: 1, MaxBytes: wire.MaxAnswer, Committed: true, Rack: l.r.opts.Access.Rack, Topics: r.req.Topics[:0],
	}
	n, now := len(l.r.parts), time.Now()
	l.turn++
	for i := range n {
		p := l.r.parts[(i+l.turn)%n]
		ok, noRoom := l.wants(p)
		if noRoom {
			r.req.MaxWait = crowded
			p.health.good = time.Now() // the broker is not to blame
		}
		if !ok {
			continue
		}
		p.asked = true
		l.r.budget.reserved += p.size
		r.asks = append(r.asks, ask{part: p, plan: p.plan, route: p.route, from: p.plan.next, sent: now, topic: r.add(p), est: p.size})
	}
	if len(r.req.Topics) > 1 { // into the order of the request, which the answer most likely has
		slices.SortStableFunc(r.asks, func(a, b ask) int { return a.topic - b.topic })
	}
	return len(r.asks) > 0
}

// shed makes room if only paused lanes take it up: it drops their waiting deliveries, which are fetched again later. It
// reports whether the loop can ask for something now.
func (l *loop) shed() bool {
	short := slices.ContainsFunc(l.r.parts, func(p *part) bool {
		_, noRoom := l.wants(p)
		return noRoom && p.out < ahead
	})
	if !short {
		return false
	}
	rewound := map[*part]bool{}
	for _, d := range l.r.queue.all() {
		p := d.part
		if !d.lane.paused || p == nil || p.working != nil || d.plan != p.plan || d.plan.phase != following {
			continue
		}
		if !rewound[p] { // the first one in the queue is the oldest
			rewound[p] = true
			p.plan.next, p.plan.lastEpoch = d.from, -1
			p.plan.consumed = min(p.plan.consumed, max(d.from, p.plan.upTo))
			p.route++
			p.asked = false
		}
		d.unqueue()
	}
	return len(rewound) > 0 && slices.ContainsFunc(l.r.parts, func(p *part) bool {
		ask, _ := l.wants(p)
		return ask
	})
}

// abandon gives up a round that will not be answered.
func (l *loop) abandon(r *round) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	for i := range r.asks {
		a := &r.asks[i]
		l.giveBack(a)
		if a.current() {
			a.part.asked = false
		}
	}
}

// giveBack ends the reservation of a.
func (l *loop) giveBack(a *ask) {
	l.r.budget.reserved -= a.est
	a.est = 0
}
