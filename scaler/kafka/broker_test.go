package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/scaler"
)

// reader is a consumer group's member that commits what it is told to.
type reader struct {
	assigned chan struct{}
	upTo     int64 // per partition
}

func (r *reader) Setup(sarama.ConsumerGroupSession) error {
	r.assigned <- struct{}{}
	return nil
}
func (r *reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (r *reader) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m := <-c.Messages():
			if m != nil && m.Offset == r.upTo-1 {
				s.MarkMessage(m, "")
				s.Commit()
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

// cluster is a real broker with a topic, and helpers that fail the test.
type cluster struct {
	*testing.T
	kafka  *servers.Kafka
	config *sarama.Config
}

func startCluster(t *testing.T) *cluster {
	c := &cluster{t, servertest.Kafka(t, nil), sarama.NewConfig()}
	c.config.Version = sarama.V3_6_0_0
	c.config.Producer.Return.Successes = true
	c.config.Producer.Partitioner = sarama.NewManualPartitioner
	// Else a request that is sent again after a slow answer doubles its records, and the lag is 801.
	c.config.Producer.Idempotent, c.config.Producer.RequiredAcks, c.config.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	c.config.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.config.Consumer.Offsets.AutoCommit.Enable = false
	admin, err := sarama.NewClusterAdmin(c.kafka.Brokers(), c.config)
	c.check(err)
	defer admin.Close()
	c.check(admin.CreateTopic("hits", &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1}, false))
	return c
}

func (c *cluster) check(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// produce writes n records to each partition.
func (c *cluster) produce(n int) {
	c.Helper()
	p, err := sarama.NewSyncProducer(c.kafka.Brokers(), c.config)
	c.check(err)
	defer p.Close()
	var batch []*sarama.ProducerMessage
	for i := range 4 * n {
		batch = append(batch, &sarama.ProducerMessage{Topic: "hits", Partition: int32(i % 4), Value: sarama.StringEncoder("x")})
	}
	c.check(p.SendMessages(batch))
}

// join starts a member of the group and waits until it has partitions. stop ends it.
func (c *cluster) join(upTo int64) (stop func()) {
	c.Helper()
	g, err := sarama.NewConsumerGroup(c.kafka.Brokers(), "etl", c.config)
	c.check(err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{assigned: make(chan struct{}, 10), upTo: upTo}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			g.Consume(ctx, []string{"hits"}, r)
		}
	}()
	select {
	case <-r.assigned:
	case <-time.After(time.Minute):
		c.Fatal("the group assigned nothing within a minute")
	}
	return func() {
		cancel()
		<-ended
		g.Close()
	}
}

// until reads until a sample is as wanted.
func (c *cluster) until(s *Signal, what string, ok func(scaler.Sample) bool) scaler.Sample {
	c.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		got, err := s.Read(c.Context())
		if err == nil && ok(got) {
			return got
		}
		select {
		case <-tick.C:
		case <-limit:
			c.Fatalf("%s did not come within a minute; last %+v (%v)", what, got, err)
		}
	}
}

func TestARealGroupIsMeasured(t *testing.T) {
	c := startCluster(t)
	c.produce(250)
	s, err := Open(Config{Brokers: c.kafka.Brokers(), Group: "etl", Topics: []string{"hits"}}, nil)
	c.check(err)
	defer s.Close()
	got, err := s.Read(t.Context())
	if err != nil || got.Lag.Number != 1000 || got.Partitions.Number != 4 || !got.Ready.Known() || got.Ready.Number != 0 {
		t.Fatalf("a group that nobody ever joined: %+v (%v), want a lag of all 1000 records and no members", got, err)
	}
	stop := c.join(100)
	c.until(s, "a lag of 600 with one member", func(s scaler.Sample) bool { return s.Lag.Number == 600 && s.Ready.Number == 1 })
	stop2 := c.join(100)
	c.until(s, "a second member", func(s scaler.Sample) bool { return s.Ready.Number == 2 })
	c.produce(50)
	got = c.until(s, "an arrival", func(s scaler.Sample) bool { return s.Arrival.Number > 0 })
	if got.Lag.Number != 800 || got.Delay.Known() {
		t.Errorf("got %+v, want a lag of 800, and a delay from before the first reading, so unknown", got)
	}
	stop2()
	stop()
	c.until(s, "the group to be empty", func(s scaler.Sample) bool { return s.Ready.Known() && s.Ready.Number == 0 })

	// The broker is killed: nothing is known, which is an error and no zero. It comes back: all is known again.
	c.kafka.Kill(0)
	if got, err := s.Read(t.Context()); err == nil || got.Lag.Known() {
		t.Errorf("without a broker: %+v (%v), want an error and nothing known", got, err)
	}
	c.check(c.kafka.Restart(t.Context(), 0))
	c.until(s, "the lag of 800 after the restart", func(s scaler.Sample) bool { return s.Lag.Number == 800 })
}
