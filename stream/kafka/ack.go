package kafka

import (
	"context"
	"fmt"
	"strconv"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream"
)

// Ack writes the group's offsets, for lag monitors. It never fails a job: that the group has moved on, or the coordinator
// is away, is logged and forgotten.
func (s *Source) Ack(ctx context.Context, upTo map[stream.Partition]stream.Position) error {
	q := s.commitRequest(upTo)
	if q == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.member.commit(q); err != nil {
		s.opts.Logger.Debug("offsets are not committed", "error", err)
	}
	return nil
}

// commitRequest is nil if none of the partitions is ours.
func (s *Source) commitRequest(upTo map[stream.Partition]stream.Position) *sarama.OffsetCommitRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.session
	if x == nil {
		x = s.leaving // the group waits for this
	}
	if x == nil {
		return nil
	}
	q := &sarama.OffsetCommitRequest{
		ConsumerGroup: s.conf.Group, ConsumerGroupGeneration: x.generation, ConsumerID: x.member, Version: 7,
	}
	some := false
	for _, l := range x.lanes {
		for _, p := range l.parts {
			if at, ok := upTo[*p.name]; ok {
				q.AddBlock(p.topic, p.num, at.Sub, 0, "")
				p.acked(at.Sub)
				some = true
			}
		}
	}
	if !some {
		return nil
	}
	return q
}

// commit sends the request to the coordinator, on the connection of the heartbeats: a coordinator that has to be looked
// for is left to them.
func (m *member) commit(q *sarama.OffsetCommitRequest) error {
	b, err := m.client.Coordinator(q.ConsumerGroup)
	if err != nil {
		return err
	}
	r, err := b.CommitOffset(q)
	if err != nil {
		return err
	}
	for topic, parts := range r.Errors {
		for n, e := range parts {
			if e != sarama.ErrNoError {
				return fmt.Errorf("%s/%s: %w", topic, strconv.Itoa(int(n)), e)
			}
		}
	}
	return nil
}
