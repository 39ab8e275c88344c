package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/IBM/sarama"
)

// Cluster asks brokers for everything except records: metadata, offsets, settings. It keeps a connection to each broker it
// asked. It is safe for concurrent use.
type Cluster struct {
	access *Access
	ctx    context.Context // ends all connecting; sarama's calls take none
	seeds  []string

	mu    sync.Mutex
	conns map[string]*sarama.Broker
	known []string // addresses that the last metadata told
}

// New returns a Cluster that has not connected yet. seeds are addresses of some brokers. The end of ctx ends all
// connecting.
func New(ctx context.Context, access *Access, seeds []string) *Cluster {
	return &Cluster{ctx: ctx, access: access, seeds: seeds, conns: map[string]*sarama.Broker{}}
}

// at calls f with a connection to the broker at addr. It drops a connection on which f failed. The end of ctx closes the
// connection.
func (c *Cluster) at(ctx context.Context, addr string, f func(*sarama.Broker) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	b := c.conns[addr]
	if b == nil {
		b = sarama.NewBroker(addr)
		c.conns[addr] = b
		if err := b.Open(c.access.Sarama(c.ctx)); err != nil {
			delete(c.conns, addr)
			c.mu.Unlock()
			return err
		}
	}
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = b.Close() })
	defer stop()
	ok, err := b.Connected()
	if ok {
		err = f(b)
	} else if err == nil {
		err = c.access.explain(nil)
	}
	if err == nil {
		c.access.worked.Store(true)
		return nil
	}
	c.mu.Lock()
	if c.conns[addr] == b {
		delete(c.conns, addr)
	}
	c.mu.Unlock()
	_ = b.Close()
	return fmt.Errorf("broker %s: %w", addr, c.access.explain(err))
}

// any calls f with one broker after the other until it succeeds.
func (c *Cluster) any(ctx context.Context, f func(*sarama.Broker) error) error {
	c.mu.Lock()
	addrs := slices.Clone(c.known)
	c.mu.Unlock()
	for _, s := range c.seeds {
		if !slices.Contains(addrs, s) {
			addrs = append(addrs, s)
		}
	}
	var errs []error
	for _, a := range addrs {
		err := c.at(ctx, a, f)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Close closes all connections.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.conns {
		_ = b.Close()
	}
	clear(c.conns)
}

// Times that stand for offsets in Offset.
const (
	Latest   = sarama.OffsetNewest
	Earliest = sarama.OffsetOldest
)

// Offset asks the leader of a partition for the first offset whose record is not older than at, in milliseconds, or for the
// earliest or latest offset. If all records are older it returns the end of the log.
func (c *Cluster) Offset(ctx context.Context, addr, topic string, partition int32, at int64) (int64, error) {
	q := &sarama.OffsetRequest{Version: 4, IsolationLevel: sarama.ReadUncommitted}
	q.AddBlock(topic, partition, at, 1)
	var found int64
	err := c.at(ctx, addr, func(b *sarama.Broker) error {
		r, err := b.GetAvailableOffsets(q)
		if err != nil {
			return err
		}
		block := r.GetBlock(topic, partition)
		if block == nil {
			return sarama.ErrIncompleteResponse
		}
		if block.Err != sarama.ErrNoError {
			return block.Err
		}
		found = block.Offset
		return nil
	})
	if err == nil && found < 0 && at >= 0 {
		return c.Offset(ctx, addr, topic, partition, Latest)
	}
	return found, err
}

// settings are those of a topic that matter here.
type settings struct {
	policy    string // cleanup.policy
	retention int64  // retention.ms; -1 is for ever
}

// settings asks for the settings of topics.
func (c *Cluster) settings(ctx context.Context, topics []string) (map[string]settings, error) {
	q := &sarama.DescribeConfigsRequest{Version: 1}
	for _, t := range topics {
		q.Resources = append(q.Resources, &sarama.ConfigResource{
			Type: sarama.TopicResource, Name: t, ConfigNames: []string{"cleanup.policy", "retention.ms"},
		})
	}
	out := map[string]settings{}
	return out, c.any(ctx, func(b *sarama.Broker) error {
		r, err := b.DescribeConfigs(q)
		if err != nil {
			return err
		}
		for _, res := range r.Resources {
			if res.ErrorCode != 0 {
				return fmt.Errorf("settings of topic %s: %w", res.Name, sarama.KError(res.ErrorCode))
			}
			s := settings{retention: -1}
			for _, e := range res.Configs {
				switch e.Name {
				case "cleanup.policy":
					s.policy = e.Value
				case "retention.ms":
					_, _ = fmt.Sscan(e.Value, &s.retention)
				}
			}
			out[res.Name] = s
		}
		return nil
	})
}

// compacted reports whether records are dropped by key.
func (s settings) compacted() bool { return strings.Contains(s.policy, "compact") }
