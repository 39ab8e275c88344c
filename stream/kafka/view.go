package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"
	"github.com/onceflow/onceflow/stream/record"
)

// view is what a broker said of the topics that are read. It is immutable.
type view struct {
	cluster string
	brokers map[int32]string // addresses
	topics  map[string]*topic
	missing []string // names that do not exist
}

// topic is one topic in a view.
type topic struct {
	name  string
	id    [16]byte
	parts []leader // of the partitions 0, 1, ...
}

// leader says who leads a partition.
type leader struct {
	broker int32 // -1 is nobody at present
	epoch  int32
}

// view asks a broker, not a cache.
func (c *cluster) view(ctx context.Context, m *matcher) (*view, error) {
	q := &sarama.MetadataRequest{Version: 10}
	if len(m.patterns) == 0 {
		q.Topics = slices.Sorted(maps.Keys(m.names))
	}
	var v *view
	err := c.any(ctx, func(b *sarama.Broker) error {
		r, err := b.GetMetadata(q)
		if err != nil {
			return err
		}
		v, err = newView(r, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("kafka: metadata: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = slices.Sorted(maps.Values(v.brokers))
	return v, nil
}

func newView(r *sarama.MetadataResponse, m *matcher) (*view, error) {
	v := &view{brokers: map[int32]string{}, topics: map[string]*topic{}}
	if r.ClusterID == nil || *r.ClusterID == "" {
		return nil, errors.New("the cluster has no ID")
	}
	v.cluster = *r.ClusterID
	for _, b := range r.Brokers {
		v.brokers[b.ID()] = b.Addr()
	}
	for _, t := range r.Topics {
		if !m.match(t.Name, t.IsInternal) {
			continue
		}
		switch t.Err {
		case sarama.ErrNoError, sarama.ErrLeaderNotAvailable:
		case sarama.ErrUnknownTopicOrPartition:
			continue // missing, see below
		default:
			return nil, fmt.Errorf("topic %s: %w", t.Name, t.Err)
		}
		x := &topic{name: t.Name, id: t.Uuid, parts: make([]leader, len(t.Partitions))}
		if x.id == [16]byte{} {
			return nil, fmt.Errorf("topic %s has no topic ID: Kafka 2.8 or newer is needed", t.Name)
		}
		for _, p := range t.Partitions {
			if p.ID < 0 || int(p.ID) >= len(x.parts) {
				return nil, fmt.Errorf("topic %s: partition %d of %d", t.Name, p.ID, len(x.parts))
			}
			x.parts[p.ID] = leader{p.Leader, p.LeaderEpoch}
		}
		v.topics[t.Name] = x
	}
	for _, n := range slices.Sorted(maps.Keys(m.names)) {
		if v.topics[n] == nil {
			v.missing = append(v.missing, n)
		}
	}
	return v, nil
}

// names are the topics' names, sorted.
func (v *view) names() []string { return slices.Sorted(maps.Keys(v.topics)) }

// partition names partition n of a topic. The topic's ID is part of it.
func (v *view) partition(t *topic, n int32) record.Partition {
	return record.Partition{
		Source: v.cluster + "/" + t.name,
		Epoch:  base64.RawURLEncoding.EncodeToString(t.id[:]),
		ID:     fmt.Sprint(n),
	}
}

// partitions are all of them, sorted by topic and number.
func (v *view) partitions() []record.Partition {
	var out []record.Partition
	for _, name := range v.names() {
		t := v.topics[name]
		for i := range t.parts {
			out = append(out, v.partition(t, int32(i)))
		}
	}
	return out
}

// uneven tells topics with different numbers of partitions.
func (v *view) uneven() error {
	names := v.names()
	for _, n := range names {
		if a, b := len(v.topics[names[0]].parts), len(v.topics[n].parts); a != b {
			return fmt.Errorf("kafka: topic %s has %d partitions and topic %s has %d: records with equal keys would not meet; "+
				"make the numbers equal, or set Options.Separate if they need not meet", names[0], a, n, b)
		}
	}
	return nil
}
