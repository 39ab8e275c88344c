package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/record"
)

// Ack writes the group's offsets, for lag monitors, with the ledger's name as their metadata. It never fails a job: that the group has moved on, or the coordinator
// is away, is logged and forgotten.
func (s *Source) Ack(ctx context.Context, upTo map[record.Partition]record.Position) error {
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
func (s *Source) commitRequest(upTo map[record.Partition]record.Position) *sarama.OffsetCommitRequest {
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
				q.AddBlock(p.topic, p.num, at.Sub, 0, s.metadata(p.name))
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

// Sign keeps the name of the ledger for Ack.
func (s *Source) Sign(ledger string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger = ledger
}

// metadata is what is kept with a committed offset. A group's offsets may be of another program, of a job that began
// anew under the same name, or of a topic that was made again: they say nothing then. It needs s.mu.
func (s *Source) metadata(p *record.Partition) string {
	if s.ledger == "" {
		return ""
	}
	return s.ledger + " " + p.Epoch
}

// Acked asks the coordinator for the group's offsets, and returns those that Ack has written for the same ledger.
func (s *Source) Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error) {
	q := &sarama.OffsetFetchRequest{ConsumerGroup: s.conf.Group, Version: 5}
	for _, p := range parts {
		q.AddPartition(place(p))
	}
	type answer struct {
		r   *sarama.OffsetFetchResponse
		err error
	}
	got := make(chan answer, 1)
	s.tasks.Go(func() { // sarama waits as long as for a join
		r, err := s.member.committed(q)
		got <- answer{r, err}
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("kafka: the offsets of group %s: %w", s.conf.Group, ctx.Err())
	case a := <-got:
		if a.err != nil {
			return nil, fmt.Errorf("kafka: the offsets of group %s: %w", s.conf.Group, a.err)
		}
		return s.own(a.r, parts), nil
	}
}

// place is the topic and number of a partition that view.partition named.
func place(p record.Partition) (topic string, num int32) {
	n, err := strconv.ParseInt(p.ID, 10, 32)
	if err != nil {
		n = -1 // of another source: the broker knows none
	}
	return p.Source[strings.LastIndexByte(p.Source, '/')+1:], int32(n)
}

// own are the offsets of an answer that are of our ledger.
func (s *Source) own(r *sarama.OffsetFetchResponse, parts []record.Partition) map[record.Partition]record.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := map[record.Partition]record.Position{}
	for _, p := range parts {
		b := r.GetBlock(place(p))
		if b == nil || b.Err != sarama.ErrNoError || b.Offset <= 0 {
			continue
		}
		switch want := s.metadata(&p); {
		case want != "" && b.Metadata == want:
			at[p] = record.Position{Sub: b.Offset}
		default:
			s.opts.Logger.Debug("the group has offsets that are not of this job's ledger; they mean nothing to it",
				"group", s.conf.Group, "partition", p.String(), "offset", b.Offset, "metadata", b.Metadata)
		}
	}
	return at
}

// committed asks the coordinator, which is looked for anew once if it is not the one that is known.
func (m *member) committed(q *sarama.OffsetFetchRequest) (r *sarama.OffsetFetchResponse, err error) {
	for range 2 {
		var b *sarama.Broker
		if b, err = m.client.Coordinator(q.ConsumerGroup); err != nil {
			return nil, err
		}
		if r, err = b.FetchOffset(q); err == nil && r.Err != sarama.ErrNoError {
			err = r.Err
		}
		if err == nil {
			return r, nil
		}
		if e := m.client.RefreshCoordinator(q.ConsumerGroup); e != nil {
			return nil, errors.Join(err, e)
		}
	}
	return nil, err
}
