package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// producer writes at a steady pace until its context ends. Partition 0 of each topic gets nothing: it is idle.
type producer struct {
	brokers []string
	topics  []string
	log     *log
	parts   atomic.Int32
	rate    int // records a second, of all topics
	say     func(string, ...any)
}

// disorder is how far behind the newest an event may be when it is written.
const disorder = 2 * time.Second

func (p *producer) config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 200, 100*time.Millisecond
	c.Producer.Compression = sarama.CompressionZSTD
	c.Metadata.Retry.Max = 100
	c.Net.ReadTimeout, c.Net.WriteTimeout, c.Net.DialTimeout = 5*time.Second, 5*time.Second, 2*time.Second
	c.Metadata.RefreshFrequency = time.Second
	return c
}

const batch = 50

// plain writes records of one topic without transactions.
func (p *producer) plain(ctx context.Context, topic string) {
	p.forever(ctx, "plain "+topic, p.config(), func(sp sarama.SyncProducer) error {
		ms := p.messages(topic)
		err := sp.SendMessages(ms)
		p.settle(ms, err, acked)
		return err
	})
}

// transactional writes records of one topic in transactions, and aborts some of them.
func (p *producer) transactional(ctx context.Context, topic string) {
	c := p.config()
	c.Producer.Transaction.ID = "torture-" + topic
	c.Producer.Transaction.Timeout = 10 * time.Second
	p.forever(ctx, "transactional "+topic, c, func(sp sarama.SyncProducer) error {
		if err := sp.BeginTxn(); err != nil {
			return err
		}
		ms := p.messages(topic)
		if err := sp.SendMessages(ms); err != nil {
			p.settle(ms, err, unknown)
			_ = sp.AbortTxn()
			return err
		}
		if rand.IntN(4) == 0 {
			err := sp.AbortTxn()
			p.settle(ms, err, aborted)
			return err
		}
		err := sp.CommitTxn()
		p.settle(ms, err, acked)
		return err
	})
}

// forever calls f again and again, with a new producer after an error.
func (p *producer) forever(ctx context.Context, what string, c *sarama.Config, f func(sarama.SyncProducer) error) {
	pace := time.NewTicker(time.Second * batch * time.Duration(len(p.topics)+1) / time.Duration(p.rate))
	defer pace.Stop()
	for ctx.Err() == nil {
		sp, err := sarama.NewSyncProducer(p.brokers, c)
		for err == nil && ctx.Err() == nil {
			if err = f(sp); err == nil {
				select {
				case <-pace.C:
				case <-ctx.Done():
				}
			}
		}
		if err != nil && ctx.Err() == nil {
			p.say("producer, %s: %v", what, err)
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		if sp != nil {
			_ = sp.Close()
		}
	}
}

type tag struct {
	topic string
	n     int
}

func (p *producer) messages(topic string) []*sarama.ProducerMessage {
	ms := make([]*sarama.ProducerMessage, 0, batch)
	for range batch {
		at := time.Now().Add(-rand.N(disorder))
		n := p.log.add(topic, at)
		ms = append(ms, &sarama.ProducerMessage{
			Topic: topic, Partition: 1 + rand.Int32N(p.parts.Load()-1), Key: sarama.StringEncoder(fmt.Sprint(n)),
			Value: sarama.StringEncoder(value(topic, n, at)), Metadata: tag{topic, n},
		})
	}
	return ms
}

// settle notes the outcome of a batch: f, unless err says that some of it is unknown.
func (p *producer) settle(ms []*sarama.ProducerMessage, err error, f fate) {
	failed := map[*sarama.ProducerMessage]bool{}
	if errs := (sarama.ProducerErrors)(nil); errors.As(err, &errs) {
		for _, e := range errs {
			failed[e.Msg] = true
		}
	} else if err != nil {
		f = unknown
	}
	for _, m := range ms {
		t := m.Metadata.(tag)
		if failed[m] {
			p.log.settle(t.topic, t.n, unknown, m.Partition, -1)
		} else {
			p.log.settle(t.topic, t.n, f, m.Partition, m.Offset)
		}
	}
}
