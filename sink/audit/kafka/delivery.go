package kafka

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/sink/audit"
)

// delivery is one call of Send. It is not safe for concurrent use.
type delivery struct {
	*Sender

	left    []*sarama.ProducerMessage // not sent, as far as is known
	refused []audit.Refusal
	stopped bool // no other try does better
}

// round sends what is left. The error is why something still is.
func (d *delivery) round(ctx context.Context) error {
	all := d.left
	d.left = nil
	suspects, err := d.try(ctx, 1, all)
	for groups := halves(suspects); len(groups) > 0; {
		group := groups[len(groups)-1]
		groups = groups[:len(groups)-1]
		if ctx.Err() != nil || d.stopped {
			d.left = append(d.left, group...)
			continue
		}
		again, e := d.try(ctx, allTurns, group)
		if e != nil {
			err = e
		}
		if len(group) == 1 && len(again) == 1 {
			d.refuse(again[0], e)
			continue
		}
		groups = append(groups, halves(again)...)
	}
	return err
}

func halves(all []*sarama.ProducerMessage) [][]*sarama.ProducerMessage {
	switch n := len(all); n {
	case 0:
		return nil
	case 1:
		return [][]*sarama.ProducerMessage{all}
	default:
		return [][]*sarama.ProducerMessage{all[:n/2], all[n/2:]}
	}
}

// try sends messages: beside others if turns is 1, alone in the producer if it is allTurns. It sorts those that failed. Suspects are
// refused for good, each for its own sake or that of another that went with it. What may pass is left, as is all if ctx ends.
func (d *delivery) try(ctx context.Context, turns int64, all []*sarama.ProducerMessage) (suspects []*sarama.ProducerMessage, err error) {
	failed, err := d.once(ctx, turns, all)
	if err != nil && failed == nil {
		d.left = append(d.left, all...)
		return nil, err
	}
	for _, e := range failed {
		e.Msg.Partition, e.Msg.Offset = 0, 0
		switch judge(e.Err) {
		case ofRecord:
			d.refuse(e.Msg, e.Err)
		case ofBatch:
			suspects = append(suspects, e.Msg)
		case ofTopic:
			d.stopped = true
			fallthrough
		default:
			d.left = append(d.left, e.Msg)
		}
	}
	return suspects, err
}

func (d *delivery) refuse(m *sarama.ProducerMessage, err error) {
	d.refused = append(d.refused, audit.Refusal{Mark: m.Metadata.(*audit.Line).Mark, Err: err})
}

// once sends messages. If ctx ends it leaves them to the producer, which may still send them: then failed is nil.
func (d *delivery) once(ctx context.Context, turns int64, all []*sarama.ProducerMessage) (failed sarama.ProducerErrors, err error) {
	if err := d.turns.Acquire(ctx, turns); err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() {
		defer d.turns.Release(turns)
		sent <- d.producer.SendMessages(all)
	}()
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

// verdict is whose fault an error is.
type verdict int

const (
	passing  verdict = iota // another try may do better
	ofRecord                // the record's: it is refused for good
	ofBatch                 // one record's of those that went together
	ofTopic                 // no record's: no other try does better
)

func judge(err error) verdict {
	for _, e := range []error{
		sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrInvalidTopic, sarama.ErrSASLAuthenticationFailed,
	} {
		if errors.Is(err, e) {
			return ofTopic
		}
	}
	for _, e := range []error{
		sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidMessageSize,
		sarama.ErrInvalidMessage, sarama.ErrInvalidRecord, sarama.ErrInvalidTimestamp,
	} {
		if errors.Is(err, e) {
			return ofBatch
		}
	}
	var encoding sarama.PacketEncodingError // sarama cannot write a record, or their request is too large
	if errors.As(err, &encoding) {
		return ofBatch
	}
	var wrong sarama.ConfigurationError // such as a record above Producer.MaxMessageBytes
	if errors.As(err, &wrong) {
		return ofRecord
	}
	return passing
}
