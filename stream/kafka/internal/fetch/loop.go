package fetch

import (
	"context"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
)

// loop reads all partitions that one broker serves, on one connection, in one goroutine. It sends the next request before
// it decodes the answer to the last one.
type loop struct {
	r    *Reader
	id   int32
	addr string
	ctx  context.Context
	stop context.CancelFunc
	wake chan struct{} // there may be something to ask for
	dec  *batch.Decoder
	turn int // which partition comes first in a request; others may get nothing

	born  time.Time
	ratio float64 // bytes that a compressed byte is expected to become

	err error // why there is no connection; guarded by Reader.mu
}

const (
	// idle is how long a broker may wait for records before it answers.
	idle = 250 * time.Millisecond

	// crowded replaces idle while a partition waits for room, since that partition can be asked for only after the answer.
	crowded = 10 * time.Millisecond
)

func newLoop(r *Reader, id int32, addr string) *loop {
	l := &loop{r: r, id: id, addr: addr, wake: make(chan struct{}, 1), ratio: 4, born: time.Now()}
	l.ctx, l.stop = context.WithCancel(r.ctx)
	return l
}

func (l *loop) signal() { retry.Wake(l.wake) }

// run connects and reads until the source is closed or the loop is stopped.
func (l *loop) run() {
	l.dec = batch.NewDecoder(l.r.opts.MaxBatch)
	defer l.dec.Close()
	for attempt := 0; l.ctx.Err() == nil; attempt++ {
		if !l.await() {
			return
		}
		c, err := l.r.opts.Access.Connect(l.ctx, l.addr)
		if err == nil {
			l.state(nil)
			attempt = 0
			err = l.serve(c)
			_ = c.Close()
		}
		if l.ctx.Err() != nil {
			return
		}
		l.state(err)
		l.r.opts.Kick() // the leader may be another broker now
		_ = retry.Wait(l.ctx, retry.Pause(20*time.Millisecond, time.Second, attempt+1))
	}
}

// await waits until a partition of the broker can be read.
func (l *loop) await() bool {
	for {
		l.r.mu.Lock()
		some := l.wanted()
		l.r.mu.Unlock()
		if some {
			return true
		}
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			return false
		}
	}
}

// state keeps whether there is a connection.
func (l *loop) state(err error) {
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if (err == nil) != (l.err == nil) {
		r.opts.Logger.Info("connection to fetch on", "broker", l.addr, "error", err)
	}
	l.err = err
	for _, p := range r.parts {
		if p.broker == l.id && err != nil {
			p.health.bad, p.replica = err, -1
		}
	}
}

// serve reads on a connection until it fails.
func (l *loop) serve(c cluster.Fetcher) error {
	stop := context.AfterFunc(l.ctx, func() { _ = c.Close() })
	defer stop()
	this, other := &round{}, &round{}
	for sent := false; l.ctx.Err() == nil; {
		if !sent {
			if !l.await() {
				return nil
			}
			if !l.take(this) {
				continue
			}
			if err := c.Send(&this.req); err != nil {
				l.abandon(this)
				return err
			}
		}
		var err error
		if sent, err = l.exchange(c, this, other); err != nil {
			return err
		}
		this, other = other, this
	}
	return nil
}

// exchange receives the answer to this. Then it sends the next request, if there is one, as other, and only then decodes
// the answer. It reports whether other was sent. After an error neither round is in progress.
func (l *loop) exchange(c cluster.Fetcher, this, other *round) (sent bool, err error) {
	r := l.r
	buf := r.pool.buffer()
	defer buf.release(&r.pool)
	buf.b, err = c.Receive(this.req.MaxWait, &this.resp, buf.b)
	if err == nil && this.resp.Err != 0 {
		err = sarama.KError(this.resp.Err)
	}
	if err != nil {
		l.abandon(this)
		return false, err
	}
	l.apply(this, c.ByID())
	if sent = l.take(other); sent {
		if err = c.Send(&other.req); err != nil {
			l.abandon(other)
			sent = false
		}
	}
	for i := range this.asks {
		if a := &this.asks[i]; a.data != nil {
			l.decode(a, buf)
		}
	}
	return sent, err
}

// apply takes over the answers of a round: where each partition goes on, and what hinders it. The asks keep what is to be
// decoded.
func (l *loop) apply(r *round, byID bool) {
	heads := make([]scanned, 0, 64)
	for i := range r.resp.Parts { // outside the lock, since it reads all the data
		p := &r.resp.Parts[i]
		var h scanned
		if a := r.find(p, byID, i); a != nil && p.Err == 0 {
			h = scan(p.Data, a.from)
		}
		heads = append(heads, h)
	}
	now := time.Now()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	for i := range r.resp.Parts {
		if a := r.find(&r.resp.Parts[i], byID, i); a != nil && a.current() && a.part.asked {
			a.part.asked = false
			a.part.answered(l, a, &r.resp.Parts[i], heads[i], now)
		}
	}
	for i := range r.asks {
		a := &r.asks[i]
		if a.data == nil {
			l.giveBack(a)
		}
		if a.current() && a.data == nil {
			a.part.asked = false // the broker may leave a partition out
		}
	}
}
