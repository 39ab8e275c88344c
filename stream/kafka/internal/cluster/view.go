package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/IBM/sarama"
	"github.com/onceflow/onceflow/stream/record"
)

// View is what a broker said of the topics that are read. It is immutable.
type View struct {
	Cluster string           // its ID
	Brokers map[int32]string // addresses
	Topics  map[string]*Topic
	Missing []string // names that do not exist
}

// Topic is one topic in a view.
type Topic struct {
	Name  string
	ID    [16]byte
	Parts []Leader // of the partitions 0, 1, ...
}

// Leader says who leads a partition.
type Leader struct {
	Broker int32 // -1 is nobody at present
	Epoch  int32
}

// View asks a broker, not a cache.
func (c *Cluster) View(ctx context.Context, m *Matcher) (*View, error) {
	q := &sarama.MetadataRequest{Version: 10}
	if len(m.patterns) == 0 {
		q.Topics = slices.Sorted(maps.Keys(m.names))
	}
	var v *View
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
	c.known = slices.Sorted(maps.Values(v.Brokers))
	return v, nil
}

func newView(r *sarama.MetadataResponse, m *Matcher) (*View, error) {
	v := &View{Brokers: map[int32]string{}, Topics: map[string]*Topic{}}
	if r.ClusterID == nil || *r.ClusterID == "" {
		return nil, errors.New("the cluster has no ID")
	}
	v.Cluster = *r.ClusterID
	for _, b := range r.Brokers {
		v.Brokers[b.ID()] = b.Addr()
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
		x := &Topic{Name: t.Name, ID: t.Uuid, Parts: make([]Leader, len(t.Partitions))}
		if x.ID == [16]byte{} {
			return nil, fmt.Errorf("topic %s has no topic ID: Kafka 2.8 or newer is needed", t.Name)
		}
		for _, p := range t.Partitions {
			if p.ID < 0 || int(p.ID) >= len(x.Parts) {
				return nil, fmt.Errorf("topic %s: partition %d of %d", t.Name, p.ID, len(x.Parts))
			}
			x.Parts[p.ID] = Leader{p.Leader, p.LeaderEpoch}
		}
		v.Topics[t.Name] = x
	}
	for _, n := range slices.Sorted(maps.Keys(m.names)) {
		if v.Topics[n] == nil {
			v.Missing = append(v.Missing, n)
		}
	}
	return v, nil
}

// Names are the topics' names, sorted.
func (v *View) Names() []string { return slices.Sorted(maps.Keys(v.Topics)) }

// Partition names partition n of a topic. The name contains the topic's ID.
func (v *View) Partition(t *Topic, n int32) record.Partition {
	return record.Partition{
		Source: v.Cluster + "/" + t.Name,
		Epoch:  base64.RawURLEncoding.EncodeToString(t.ID[:]),
		ID:     fmt.Sprint(n),
	}
}

// Lane is what is read as one, in a session of the group.
type Lane struct {
	Name  string
	Parts []Part
}

// Part is a partition of a lane.
type Part struct {
	Topic   string
	TopicID [16]byte
	Num     int32
	Name    record.Partition
}

// laneName names lane n, or with separate lanes the lane of one partition. New topics do not change it.
func laneName(topic string, n int32, separate bool) string {
	if separate {
		return topic + "/" + strconv.Itoa(int(n))
	}
	return strconv.Itoa(int(n))
}

// Lanes makes the lanes of a session's claims. It leaves out claims that make no whole lane because another process reads
// other topics; the next rebalance settles them.
func (v *View) Lanes(claims map[string][]int32, separate bool) (out []Lane, incomplete []string) {
	at := map[string]int{}
	names := v.Names()
	for _, name := range names {
		t := v.Topics[name]
		for _, n := range claims[name] {
			if int(n) >= len(t.Parts) {
				continue // of a topic that was here before
			}
			key := laneName(name, n, separate)
			i, ok := at[key]
			if !ok {
				i = len(out)
				at[key] = i
				out = append(out, Lane{Name: key})
			}
			out[i].Parts = append(out[i].Parts, Part{Topic: name, TopicID: t.ID, Num: n, Name: v.Partition(t, n)})
		}
	}
	if separate {
		return out, nil
	}
	return slices.DeleteFunc(out, func(l Lane) bool {
		if len(l.Parts) == len(names) {
			return false
		}
		incomplete = append(incomplete, l.Name)
		return true
	}), incomplete
}

// Partitions are all of them, sorted by topic and number.
func (v *View) Partitions() []record.Partition {
	var out []record.Partition
	for _, name := range v.Names() {
		t := v.Topics[name]
		for i := range t.Parts {
			out = append(out, v.Partition(t, int32(i)))
		}
	}
	return out
}

// Uneven tells topics with different numbers of partitions.
func (v *View) Uneven() error {
	names := v.Names()
	for _, n := range names {
		if a, b := len(v.Topics[names[0]].Parts), len(v.Topics[n].Parts); a != b {
			return fmt.Errorf("kafka: topic %s has %d partitions and topic %s has %d: records with equal keys would not meet; "+
				"make the numbers equal, or set Options.Separate if they need not meet", names[0], a, n, b)
		}
	}
	return nil
}
