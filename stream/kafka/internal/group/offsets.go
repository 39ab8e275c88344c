package group

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/record"
)

// Sign keeps the name of the ledger whose offsets are committed.
func (m *Member) Sign(ledger string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ledger = ledger
}

// Commit writes the group's offsets of those partitions that are ours, with the ledger's name as metadata. Its error does
// not concern the job: the group has moved on, or the coordinator is away.
func (m *Member) Commit(upTo map[record.Partition]record.Position) error {
	q := m.commitRequest(upTo)
	if q == nil {
		return nil
	}
	return m.commit(q)
}

// commitRequest is nil if none of the partitions is ours.
func (m *Member) commitRequest(upTo map[record.Partition]record.Position) *sarama.OffsetCommitRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.session
	if x == nil {
		x = m.leaving // the group waits for this
	}
	if x == nil {
		return nil
	}
	q := &sarama.OffsetCommitRequest{
		ConsumerGroup: m.opts.Name, ConsumerGroupGeneration: x.generation, ConsumerID: x.id, Version: 7,
	}
	some := false
	for _, l := range x.lanes {
		for i := range l.Parts {
			p := &l.Parts[i]
			if at, ok := upTo[p.Name]; ok {
				q.AddBlock(p.Topic, p.Num, at.Sub, 0, m.metadata(&p.Name))
				some = true
			}
		}
	}
	if !some {
		return nil
	}
	return q
}

// commit sends the request to the coordinator, on the connection of the heartbeats. If the coordinator is unknown the
// heartbeats will find it.
func (m *Member) commit(q *sarama.OffsetCommitRequest) error {
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

// metadata is what is stored with an offset. Without it a group's offsets could be those of another program, of a job that
// began anew under the same name, or of a topic that was made again. The caller holds m.mu.
func (m *Member) metadata(p *record.Partition) string {
	if m.ledger == "" {
		return ""
	}
	return m.ledger + " " + p.Epoch
}

// Acked asks the coordinator for the group's offsets, and returns those that Commit wrote for the same ledger.
func (m *Member) Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error) {
	q := &sarama.OffsetFetchRequest{ConsumerGroup: m.opts.Name, Version: 5}
	for _, p := range parts {
		q.AddPartition(place(p))
	}
	type answer struct {
		r   *sarama.OffsetFetchResponse
		err error
	}
	got := make(chan answer, 1)
	m.asks.Go(func() { // sarama waits as long as for a join
		r, err := m.committed(q)
		got <- answer{r, err}
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("kafka: the offsets of group %s: %w", m.opts.Name, ctx.Err())
	case a := <-got:
		if a.err != nil {
			return nil, fmt.Errorf("kafka: the offsets of group %s: %w", m.opts.Name, a.err)
		}
		return m.own(a.r, parts), nil
	}
}

// place is the topic and number of a partition that View.Partition named.
func place(p record.Partition) (topic string, num int32) {
	n, err := strconv.ParseInt(p.ID, 10, 32)
	if err != nil {
		n = -1 // of another source: the broker knows none
	}
	return p.Source[strings.LastIndexByte(p.Source, '/')+1:], int32(n)
}

// own are the offsets of an answer that are of our ledger.
func (m *Member) own(r *sarama.OffsetFetchResponse, parts []record.Partition) map[record.Partition]record.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := map[record.Partition]record.Position{}
	for _, p := range parts {
		b := r.GetBlock(place(p))
		if b == nil || b.Err != sarama.ErrNoError || b.Offset <= 0 {
			continue
		}
		switch want := m.metadata(&p); {
		case want != "" && b.Metadata == want:
			at[p] = record.Position{Sub: b.Offset}
		default:
			m.opts.Logger.Debug("the group has offsets that are not of this job's ledger; they mean nothing to it",
				"group", m.opts.Name, "partition", p.String(), "offset", b.Offset, "metadata", b.Metadata)
		}
	}
	return at
}

// committed asks the coordinator. If the known one is wrong it looks once for the new one.
func (m *Member) committed(q *sarama.OffsetFetchRequest) (r *sarama.OffsetFetchResponse, err error) {
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
