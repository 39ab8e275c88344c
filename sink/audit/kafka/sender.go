package kafka

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/IBM/sarama"

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
		if line, ok := m.Metadata.(*line); ok {
			m = &sarama.ProducerMessage{Key: sarama.ByteEncoder(line.id[:])}
		}
	}
	return p.Partitioner.Partition(m, n)
}

// line is the metadata of a message.
type line struct{ id audit.ID }

// Producer is what a Sender needs of a sarama.SyncProducer.
type Producer interface {
	// SendMessages sends messages, and returns sarama.ProducerErrors for those that it could not.
	SendMessages([]*sarama.ProducerMessage) error
}

// Sender is an audit.Sender. It is safe for concurrent use.
type Sender struct {
	producer Producer
	topic    string
}

// New makes a Sender to a topic. p is a sarama.SyncProducer with the settings of Config.
func New(p Producer, topic string) (*Sender, error) {
	if p == nil || topic == "" {
		return nil, errors.New("kafka: a producer and a topic are required")
	}
	return &Sender{p, topic}, nil
}

// Send sends lines, and those that fail again after a pause, until the brokers have all of them, ctx ends, or an error is
// final: a record is too large, or may not be written. All others are sent then.
func (s *Sender) Send(ctx context.Context, lines []audit.Line) error {
	left := s.messages(lines)
	var hopeless error
	err := retry.Loop{First: 100 * time.Millisecond, Most: 10 * time.Second, Again: func(int, error) bool { return len(left) > 0 }}.
		Do(ctx, func(ctx context.Context) error {
			failed, err := s.once(ctx, left)
			left = nil
			for _, e := range failed {
				if final(e.Err) {
					hopeless = fmt.Errorf("%w (%w)", e.Err, fs.ErrInvalid)
					continue
				}
				e.Msg.Partition, e.Msg.Offset = 0, 0
				left = append(left, e.Msg)
			}
			return err
		})
	switch {
	case hopeless != nil:
		return fmt.Errorf("kafka: topic %s refuses lines for good: %w", s.topic, hopeless)
	case err != nil:
		return fmt.Errorf("kafka: %d of %d lines may not be in topic %s: %w", max(1, len(left)), len(lines), s.topic, err)
	}
	return nil
}

// once sends messages. If ctx ends it leaves them to the producer, which may still send them.
func (s *Sender) once(ctx context.Context, all []*sarama.ProducerMessage) (failed sarama.ProducerErrors, err error) {
	sent := make(chan error, 1)
	go func() { sent <- s.producer.SendMessages(all) }()
	select {
	case err = <-sent:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil && !errors.As(err, &failed) {
		for _, m := range all {
			failed = append(failed, &sarama.ProducerError{Msg: m, Err: err})
		}
	}
	if len(failed) > 0 {
		err = failed[0].Err
	}
	return failed, err
}

// messages makes messages of lines. They share the bytes of lines.
func (s *Sender) messages(lines []audit.Line) []*sarama.ProducerMessage {
	all := make([]*sarama.ProducerMessage, len(lines))
	messages := make([]sarama.ProducerMessage, len(lines))
	headers := make([]sarama.RecordHeader, len(lines))
	marks := make([]byte, 0, 21*len(lines))
	key := []byte(audit.Header)
	var of *line
	for i := range lines {
		l, m := &lines[i], &messages[i]
		if of == nil || of.id != l.Mark.ID {
			of = &line{l.Mark.ID}
		}
		at := len(marks)
		marks = l.Mark.Append(marks)
		headers[i] = sarama.RecordHeader{Key: key, Value: marks[at:len(marks):len(marks)]}
		m.Topic, m.Headers, m.Timestamp, m.Metadata = s.topic, headers[i:i+1:i+1], l.Event.Time, of
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

// final reports whether another try meets the same error.
func final(err error) bool {
	for _, e := range []error{
		sarama.ErrMessageSizeTooLarge, sarama.ErrInvalidMessage, sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
		sarama.ErrInvalidTopic, sarama.ErrInvalidTimestamp, sarama.ErrSASLAuthenticationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var wrong sarama.ConfigurationError // such as a record above Producer.MaxMessageBytes
	return errors.As(err, &wrong)
}
