package merge

import (
	"context"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/internal/several"
	"github.com/onceflow/onceflow/stream/record"
)

// every is how often a side is asked whether its logs end, while it holds others.
const every = 500 * time.Millisecond

// question is about a partition that holds a lane.
type question struct {
	lane  *lane
	run   int // of the lane
	input int
	part  record.Partition
	stamp int64 // what came to the lane before
}

// prover asks sides whether their logs end. The goroutine of Poll uses it; questions run beside it.
type prover struct {
	inner  *several.Source
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	asks   sync.WaitGroup

	mu      sync.Mutex
	answers []answer
}

func newProver(inner *several.Source) *prover {
	p := &prover{inner: inner}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// answer is what a side said.
type answer struct {
	side   *side
	proved []question
	err    error
	again  bool // it may be asked again; the rest is nothing
}

// ask asks a side that was not asked a moment ago.
func (p *prover) ask(o *side, qs []question) {
	o.asking = true
	at := map[record.Partition]record.Position{}
	for _, q := range qs {
		at[q.part] = q.lane.in[q.input].last
	}
	p.asks.Go(func() {
		proved, err := p.inner.AtEnd(p.ctx, at)
		a := answer{side: o, err: err}
		known := map[record.Partition]bool{}
		for _, of := range proved {
			known[of] = true
		}
		for _, q := range qs {
			if known[q.part] {
				a.proved = append(a.proved, q)
			}
		}
		p.tell(a)
		select {
		case <-time.After(every):
		case <-p.ctx.Done():
			return
		}
		p.tell(answer{side: o, again: true})
	})
}

func (p *prover) tell(a answer) {
	p.mu.Lock()
	p.answers = append(p.answers, a)
	p.mu.Unlock()
	p.inner.Nudge()
}

// take returns what sides have said since the last call.
func (p *prover) take() []answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.answers
	p.answers = nil
	return all
}
