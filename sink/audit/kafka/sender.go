package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/semaphore"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/audit"
)

// Config makes the settings of a producer that waits until all replicas that are in sync have a record, writes none twice over
// its own retries, and uses Partitioner. Change what else the cluster needs, such as Net.SASL and Net.TLS.
func Config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Return.Successes, c.Producer.Return.Errors = true, true
	c.Producer.Partitioner = Partitioner
	c.Producer.Compression = sarama.CompressionZSTD
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 20, 250*time.Millisecond
	return c
}

// Partitioner chooses the partition by a hash of the key, as sarama's hash partitioner does. Of lines without a key those of a batch
// go to one partition, so that they go there again when they are sent again.
func Partitioner(topic string) sarama.Partitioner {
	return partitioner{sarama.NewHashPartitioner(topic)}
}

type partitioner struct{ sarama.Partitioner }

// RequiresConsistency says that a message must not go to another partition because its own has no leader.
func (p partitioner) RequiresConsistency() bool { return true }

// MessageRequiresConsistency says so of one message.
func (p partitioner) MessageRequiresConsistency(*sarama.ProducerMessage) bool { return true }

func (p partitioner) Partition(m *sarama.ProducerMessage, n int32) (int32, error) {
	if m.Key == nil {
		if line, ok := m.Metadata.(*audit.Line); ok {
			m = &sarama.ProducerMessage{Key: sarama.ByteEncoder(line.Mark.ID[:])}
		}
	}
	return p.Partitioner.Partition(m, n)
}

// Producer is what a Sender needs of a sarama.SyncProducer.
type Producer interface {
	// SendMessages sends messages, and returns sarama.ProducerErrors for those that it could not.
	SendMessages([]*sarama.ProducerMessage) error
}

// Sender is an audit.Sender. It is safe for concurrent use.
type Sender struct {
	producer Producer
	topic    string

	// turns has a unit for each call of the producer that is under way. Who takes all of them is alone in the producer: of what fails
	// together a record that is sent alone is judged by itself.
	turns *semaphore.Weighted
}

const allTurns = 1 << 30

// New makes a Sender to a topic. p is a sarama.SyncProducer with the settings of Config. Nobody else should send to the topic with it:
// a record of theirs that a broker refuses can make it refuse lines beside it.
func New(p Producer, topic string) (*Sender, error) {
	if p == nil || topic == "" {
		return nil, errors.New("kafka: a producer and a topic are required")
	}
	return &Sender{p, topic, semaphore.NewWeighted(allTurns)}, nil
}

// Send sends lines, and those that fail again after a pause, until the brokers have all of them, ctx ends, or an error is final. A
// broker refuses all records that came to it together if it does not take one of them. So these are sent in halves until each
// record that is refused is alone: a *audit.RefusedError names those.
func (s *Sender) Send(ctx context.Context, lines []audit.Line) error {
	d := delivery{Sender: s, left: s.messages(lines)}
	err := retry.Loop{
		First: 100 * time.Millisecond, Most: 10 * time.Second,
		Again: func(int, error) bool { return len(d.left) > 0 && !d.stopped },
	}.Do(ctx, d.round)
	var all []error
	if len(d.refused) > 0 {
		all = append(all, fmt.Errorf("kafka: topic %s: %w", s.topic, &audit.RefusedError{Lines: d.refused}))
	}
	if len(d.left) > 0 {
		all = append(all, fmt.Errorf("kafka: %d of %d lines may not be in topic %s: %w", len(d.left), len(lines), s.topic, err))
	}
	return errors.Join(all...)
}

// messages makes messages of lines. They share the bytes of lines.
func (s *Sender) messages(lines []audit.Line) []*sarama.ProducerMessage {
	all := make([]*sarama.ProducerMessage, len(lines))
	messages := make([]sarama.ProducerMessage, len(lines))
	headers := make([]sarama.RecordHeader, len(lines))
	marks := make([]byte, 0, 21*len(lines))
	key := []byte(audit.Header)
	for i := range lines {
		l, m := &lines[i], &messages[i]
		at := len(marks)
		marks = l.Mark.Append(marks)
		headers[i] = sarama.RecordHeader{Key: key, Value: marks[at:len(marks):len(marks)]}
		m.Topic, m.Headers, m.Timestamp, m.Metadata = s.topic, headers[i:i+1:i+1], recordTime(l.Event.Time), l
		if l.Event.Key != nil {
			m.Key = sarama.ByteEncoder(l.Event.Key)
		}
		if l.Event.Value != nil {
			m.Value = sarama.ByteEncoder(l.Event.Value)
		}
		all[i] = m
	}
	return all
}

// The times that sarama can encode. Of a record before 1970 it refuses the whole request, and one beyond what 64 bits of nanoseconds
// hold gets some other time.
var (
	firstTime = time.Unix(0, 0)
	lastTime  = time.UnixMilli(math.MaxInt64 / int64(time.Millisecond))
)

// recordTime is the time of a record: the nearest to that of its event that there is. A job that goes by the times of records has both
// bounds as dead letters, as it would have had the event.
func recordTime(at time.Time) time.Time {
	switch {
	case at.IsZero(): // sarama takes its own time
		return at
	case at.Before(firstTime):
		return firstTime
	case at.After(lastTime):
		return lastTime
	}
	return at
}
