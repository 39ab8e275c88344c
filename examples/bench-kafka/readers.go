package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
)

// reader is a way to read all records of a topic. It returns how many there were and the bytes of their values.
type reader struct {
	name string
	read func(context.Context, order) (records, bytes int64, err error)
}

var readers = []reader{
	{"onceflow", ours},
	{"sarama-partitions", saramaPartitions},
	{"sarama-group", saramaGroup},
	{"franz", franz},
	{"franz-pools", franzPools},
}

// ours is this library's source, which is a member of a group.
func ours(ctx context.Context, o order) (n, size int64, err error) {
	s, err := kafka.Open(ctx, kafka.Config{Brokers: o.Brokers, Group: o.Group, Topics: []string{o.Topic}}, nil)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	for n < int64(o.Records) {
		b, err := s.Poll(ctx)
		if err != nil {
			return n, size, err
		}
		for _, a := range b.Assigned {
			from := map[stream.Partition]driver.Progress{}
			for _, p := range a.Partitions {
				from[p] = driver.Progress{}
			}
			if err := s.Start(ctx, driver.Start{Lane: a.Lane, From: from}); err != nil {
				return n, size, err
			}
		}
		for i := range b.Records {
			size += int64(len(b.Records[i].Value))
		}
		n += int64(len(b.Records))
		b.Release()
	}
	return n, size, nil
}

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.ChannelBufferSize = 4096
	c.Consumer.Fetch.Default = 4 << 20
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	return c
}

// saramaPartitions reads with sarama's partition consumers, a goroutine for each.
func saramaPartitions(_ context.Context, o order) (n, size int64, err error) {
	client, err := sarama.NewClient(o.Brokers, saramaConfig())
	if err != nil {
		return 0, 0, err
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return 0, 0, err
	}
	var records, bytes atomic.Int64
	var wg sync.WaitGroup
	for part := range int32(o.Parts) {
		end, err := client.GetOffset(o.Topic, part, sarama.OffsetNewest)
		if err != nil {
			return 0, 0, err
		}
		pc, err := consumer.ConsumePartition(o.Topic, part, sarama.OffsetOldest)
		if err != nil {
			return 0, 0, err
		}
		wg.Go(func() {
			sum := int64(0)
			for range end {
				sum += int64(len((<-pc.Messages()).Value))
			}
			records.Add(end)
			bytes.Add(sum)
		})
	}
	wg.Wait()
	return records.Load(), bytes.Load(), nil
}

// saramaGroup reads as a member of a group.
func saramaGroup(ctx context.Context, o order) (n, size int64, err error) {
	g, err := sarama.NewConsumerGroup(o.Brokers, o.Group, saramaConfig())
	if err != nil {
		return 0, 0, err
	}
	defer g.Close()
	ctx, cancel := context.WithCancel(ctx)
	h := &handler{want: int64(o.Records), done: cancel}
	err = g.Consume(ctx, []string{o.Topic}, h)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return h.records.Load(), h.bytes.Load(), err
}

// handler counts what the claims of a session give.
type handler struct {
	want           int64
	done           context.CancelFunc
	records, bytes atomic.Int64
}

func (*handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	n, sum := int64(0), int64(0)
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			n, sum = n+1, sum+int64(len(m.Value))
			if n&63 == 0 || m.Offset+1 == c.HighWaterMarkOffset() {
				h.bytes.Add(sum)
				if h.records.Add(n) == h.want {
					h.done()
				}
				n, sum = 0, 0
			}
		case <-s.Context().Done():
			return nil
		}
	}
}
