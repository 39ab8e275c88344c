// Package proof asks the leaders of partitions whether logs have ended.
package proof

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
	"github.com/onceflow/onceflow/stream/record"
)

// Prover asks leaders whether logs have ended. It has its own connections, so that it never waits for a long poll. It is
// safe for concurrent use.
type Prover struct {
	ctx     context.Context // ends all connecting
	access  *cluster.Access
	cluster *cluster.Cluster
	match   *cluster.Matcher

	mu    sync.Mutex
	conns map[string]cluster.Fetcher
}

// New connects to nothing yet. The end of ctx ends all connecting.
func New(ctx context.Context, access *cluster.Access, c *cluster.Cluster, match *cluster.Matcher) *Prover {
	return &Prover{ctx: ctx, access: access, cluster: c, match: match, conns: map[string]cluster.Fetcher{}}
}

// claim is the claim that a partition ends at next.
type claim struct {
	name   record.Partition
	topic  *cluster.Topic
	num    int32
	epoch  int32
	next   int64
	fresh  bool // nothing was consumed, so the log's own start will do
	proved bool
	failed bool
}

// AtEnd asks the leaders. A partition is proved to have ended if its last stable offset is its high watermark, and only
// transaction markers and aborted records lie between our position and there. The question carries the newest known leader
// epoch, so a leader that lost its office without knowing refuses it.
func (p *Prover) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	v, err := p.cluster.View(ctx, p.match)
	if err != nil {
		return nil, err
	}
	byAddr := map[string][]*claim{}
	for _, t := range v.Topics {
		for i, l := range t.Parts {
			name := v.Partition(t, int32(i))
			pos, asked := at[name]
			if addr := v.Brokers[l.Broker]; asked && addr != "" {
				byAddr[addr] = append(byAddr[addr], &claim{
					name: name, topic: t, num: int32(i), epoch: l.Epoch, next: pos.Sub, fresh: pos.IsZero(),
				})
			}
		}
	}
	var proved []record.Partition
	var errs []error
	for addr, claims := range byAddr {
		errs = append(errs, p.prove(ctx, addr, claims))
		for _, c := range claims {
			if c.proved {
				proved = append(proved, c.name)
			}
		}
	}
	if err := errors.Join(errs...); err != nil && len(proved) == 0 && ctx.Err() != nil {
		return nil, err
	}
	return proved, nil // a broker that is away proves nothing, and that is all
}

// steps bounds the answers full of aborted records that are read for one proof.
const steps = 16

func (p *Prover) prove(ctx context.Context, addr string, claims []*claim) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.conns[addr]
	if c == nil {
		var err error
		if c, err = p.access.Connect(p.ctx, addr); err != nil {
			return err
		}
		p.conns[addr] = c
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	for range steps {
		open := false
		for _, cl := range claims {
			open = open || !cl.proved && !cl.failed
		}
		if !open {
			return nil
		}
		if err := p.round(ctx, c, addr, claims); err != nil {
			delete(p.conns, addr)
			_ = c.Close()
			return fmt.Errorf("kafka: ask %s for the ends of logs: %w", addr, err)
		}
	}
	return nil
}

// round makes one request for all claims that are open.
func (p *Prover) round(ctx context.Context, c cluster.Fetcher, addr string, claims []*claim) error {
	q := wire.Request{MaxWait: 0, MinBytes: 0, MaxBytes: wire.MaxAnswer, Committed: true}
	for _, cl := range claims {
		if !cl.proved && !cl.failed {
			q.Topics = append(q.Topics, wire.Topic{Name: cl.topic.Name, ID: cl.topic.ID, Parts: []wire.PartRequest{
				{ID: cl.num, Epoch: cl.epoch, Offset: cl.next, LastEpoch: -1, MaxBytes: 1 << 20},
			}})
		}
	}
	if err := c.Send(&q); err != nil {
		return err
	}
	var r wire.Response
	if _, err := c.Receive(time.Second, &r, nil); err != nil {
		return err
	}
	answers := make(map[wire.PartOf]*wire.Part, len(r.Parts)) // to look for each among all would take seconds with 10,000
	for i := range r.Parts {
		a := &r.Parts[i]
		answers[wire.Of(a.TopicID, a.Name, a.ID, c.ByID())] = a
	}
	for _, cl := range claims {
		if cl.proved || cl.failed {
			continue
		}
		a := answers[wire.Of(cl.topic.ID, []byte(cl.topic.Name), cl.num, c.ByID())]
		if cl.failed = a == nil; a != nil { // failed unless the answer says more
			p.judge(ctx, addr, cl, a)
		}
	}
	return nil
}

const offsetOutOfRange = 1

// judge decides a claim by the leader's answer, or reads on in the log if that is not enough, or gives up.
func (p *Prover) judge(ctx context.Context, addr string, cl *claim, a *wire.Part) {
	if a.Err == offsetOutOfRange && cl.fresh {
		cl.fresh = false
		first, err := p.cluster.Offset(ctx, addr, cl.topic.Name, cl.num, cluster.Earliest)
		cl.next, cl.failed = first, err != nil
		return
	}
	if a.Err != 0 || a.LastStable != a.HighWatermark || a.Diverged || a.Preferred >= 0 {
		cl.failed = true
		return
	}
	begin := cl.next
	t := batch.Aborts{List: a.Aborted}
	for rest := a.Data; len(rest) > 0; {
		var h batch.Header
		after, err := batch.Next(rest, &h)
		if errors.Is(err, batch.ErrPartial) {
			break
		}
		if err == nil {
			err = h.Check()
		}
		if err != nil || (!t.Skip(&h) && h.N > 0 && h.Last >= cl.next) {
			cl.failed = true
			return
		}
		cl.next = max(cl.next, h.Last+1)
		rest = after
	}
	cl.proved = cl.next == a.HighWatermark
	cl.failed = !cl.proved && cl.next == begin
}

// Close closes all connections.
func (p *Prover) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}
