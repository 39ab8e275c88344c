package kafka

import (
	"context"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka/internal/batch"
)

// loop reads all partitions that one broker serves, on one connection, by one goroutine. It sends the next request
// before it decodes the answer to the last one.
type loop struct {
	src  *Source
	id   int32
	addr string
	ctx  context.Context
	stop context.CancelFunc
	wake chan struct{} // there may be something to ask for
	dec  *batch.Decoder
	turn int // which partition comes first in a request; others may get nothing

	born  time.Time
	ratio float64 // bytes that a compressed byte is expected to become

	err error // why there is no connection; guarded by Source.mu
}

const (
	// idle is how long a broker may wait for records before it answers.
	idle = 250 * time.Millisecond

	// crowded is that time while a partition waits for room, since a request for it would have to wait for the answer.
	crowded = 10 * time.Millisecond

	// maxAnswer bounds an answer, but for one batch.
	maxAnswer = 16 << 20
)

func newLoop(s *Source, id int32, addr string) *loop {
	l := &loop{src: s, id: id, addr: addr, wake: make(chan struct{}, 1), ratio: 4, born: time.Now()}
	l.ctx, l.stop = context.WithCancel(s.ctx)
	return l
}

func (l *loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run connects and reads until the source is closed or the loop stopped.
func (l *loop) run() {
	l.dec = batch.NewDecoder(l.src.opts.MaxBatch)
	defer l.dec.Close()
	for attempt := 0; l.ctx.Err() == nil; attempt++ {
		if !l.await() {
			return
		}
		c, err := connect(l.ctx, l.src.opts, l.addr)
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
		l.src.wakeRouter() // the leader may be another broker now
		pause(l.ctx, min(time.Second, 20*time.Millisecond<<min(attempt, 6)))
	}
}

// await waits until a partition of the broker can be read.
func (l *loop) await() bool {
	for {
		l.src.mu.Lock()
		some := l.src.wanted(l)
		l.src.mu.Unlock()
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
	s := l.src
	s.mu.Lock()
	defer s.mu.Unlock()
	if (err == nil) != (l.err == nil) {
		s.opts.Logger.Info("connection to fetch on", "broker", l.addr, "error", err)
	}
	l.err = err
	for _, p := range s.parts {
		if p.broker == l.id && err != nil {
			p.bad, p.replica = err, -1
		}
	}
}

// serve reads on a connection until it fails.
func (l *loop) serve(c fetcher) error {
	stop := context.AfterFunc(l.ctx, func() { _ = c.Close() })
	defer stop()
	this, other := &round{}, &round{}
	for sent := false; l.ctx.Err() == nil; {
		if !sent {
			if !l.await() {
				return nil
			}
			if !l.src.take(l, this) {
				continue
			}
			if err := c.Send(&this.req); err != nil {
				l.src.abandon(this)
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

// exchange receives the answer to this, asks for what comes next, if anything, by the round other, and only then
// decodes. It reports whether other is under way; after an error neither is.
func (l *loop) exchange(c fetcher, this, other *round) (sent bool, err error) {
	s := l.src
	buf := s.pool.buffer()
	defer buf.release(&s.pool)
	buf.b, err = c.Receive(this.req.MaxWait, &this.resp, buf.b)
	if err == nil && this.resp.Err != 0 {
		err = sarama.KError(this.resp.Err)
	}
	if err != nil {
		s.abandon(this)
		return false, err
	}
	s.apply(l, this, c.ByID())
	if sent = s.take(l, other); sent {
		if err = c.Send(&other.req); err != nil {
			s.abandon(other)
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
