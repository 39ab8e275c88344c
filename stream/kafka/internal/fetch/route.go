package fetch

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
)

// Troubled reports whether a partition needs Route or LookUp: it has no broker, or does not know where to go on.
func (r *Reader) Troubled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.parts {
		if !p.active() {
			continue
		}
		if p.broker < 0 || p.look || r.loops[p.broker] == nil || r.loops[p.broker].err != nil {
			return true
		}
	}
	return false
}

// NoMetadata keeps why there is no new metadata, nil if there is.
func (r *Reader) NoMetadata(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.blind == nil {
		r.opts.Logger.Warn("no metadata", "error", err)
	}
	r.blind = err
}

// Route sends each partition to its leader, or to the replica that the leader named.
func (r *Reader) Route(v *cluster.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.parts {
		if p.lane.gone || p.plan == nil {
			continue
		}
		t := v.Topics[p.topic]
		if t == nil || t.ID != p.id || int(p.num) >= len(t.Parts) {
			p.reroute(-1) // see cluster.Topics.Check
			continue
		}
		l := t.Parts[p.num]
		if l.Epoch < p.epoch {
			continue // the broker that told is behind
		}
		if l.Epoch > p.epoch {
			p.replica = -1
		}
		p.epoch = l.Epoch
		to := l.Broker
		if p.replica >= 0 && v.Brokers[p.replica] != "" {
			to = p.replica
		}
		if to >= 0 && v.Brokers[to] == "" {
			to = -1
		}
		if to != p.broker {
			r.opts.Logger.Debug("partition is read from", "partition", p.name.String(), "broker", to, "epoch", l.Epoch)
			p.reroute(to)
		}
	}
	r.manLoops(v)
}

// manLoops starts a loop for each broker that is needed, and ends those whose address has changed.
func (r *Reader) manLoops(v *cluster.View) {
	for _, p := range r.parts {
		addr := v.Brokers[p.broker]
		if p.broker < 0 || addr == "" {
			continue
		}
		l := r.loops[p.broker]
		if l != nil && l.addr == addr {
			l.signal()
			continue
		}
		if l != nil {
			l.stop()
		}
		l = newLoop(r, p.broker, addr)
		r.loops[p.broker] = l
		r.tasks.Go(l.run)
	}
}

// LookUp finds out where the partitions go on that do not know it.
func (r *Reader) LookUp(ctx context.Context, v *cluster.View) {
	type query struct {
		part *part
		plan *plan
		addr string
		from time.Time
		next int64
	}
	var qs []query
	r.mu.Lock()
	for _, p := range r.parts {
		if t := v.Topics[p.topic]; p.look && p.active() && t != nil && t.ID == p.id && int(p.num) < len(t.Parts) {
			if addr := v.Brokers[t.Parts[p.num].Broker]; addr != "" {
				qs = append(qs, query{p, p.plan, addr, p.plan.warmFrom, p.plan.next})
			}
		}
	}
	r.mu.Unlock()
	for _, q := range qs {
		var err error
		ask := func(at int64) (offset int64) {
			if err == nil {
				offset, err = r.opts.Cluster.Offset(ctx, q.addr, q.part.topic, q.part.num, at)
			}
			return offset
		}
		first, last, start := ask(cluster.Earliest), ask(cluster.Latest), int64(0)
		if q.next < 0 && !q.from.IsZero() {
			start = ask(max(0, q.from.UnixMilli()))
		}
		r.mu.Lock()
		if q.part.plan == q.plan && q.part.look {
			if err != nil {
				q.part.health.bad = err
			} else {
				q.part.found(first, last, start)
			}
		}
		r.mu.Unlock()
	}
}
