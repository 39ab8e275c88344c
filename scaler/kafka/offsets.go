package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/scaler"
)

// admin is what a Signal needs of sarama.ClusterAdmin.
type admin interface {
	DescribeTopics(topics []string) ([]*sarama.TopicMetadata, error)
	ListOffsets(partitions map[string]map[int32]int64, options *sarama.ListOffsetsOptions) (map[string]map[int32]*sarama.OffsetResult, error)
	ListConsumerGroupOffsets(group string, topicPartitions map[string][]int32) (*sarama.OffsetFetchResponse, error)
	DescribeConsumerGroups(groups []string) ([]*sarama.GroupDescription, error)
	Close() error
}

type partition struct {
	topic string
	id    int32
}

// span is the end of a partition, and where the group stands in it.
type span struct{ end, done int64 }

// offsets are those of all partitions at a time.
type offsets struct {
	at   time.Time
	of   map[partition]span
	most int // partitions of the largest topic: topics that are read together are read by the same copies
}

// offsets asks for the ends, the committed offsets and, where there are none, the beginnings.
func (s *Signal) offsets(ctx context.Context, at time.Time) (offsets, error) {
	o := offsets{at: at, of: map[partition]span{}}
	topics, err := s.admin.DescribeTopics(s.c.Topics)
	if err != nil {
		return o, err
	}
	ids, oldest := map[string][]int32{}, map[string]map[int32]int64{}
	newest := map[string]map[int32]int64{}
	for _, t := range topics {
		if t.Err != sarama.ErrNoError {
			return o, fmt.Errorf("topic %s: %w", t.Name, t.Err)
		}
		oldest[t.Name], newest[t.Name] = map[int32]int64{}, map[int32]int64{}
		for _, p := range t.Partitions {
			ids[t.Name] = append(ids[t.Name], p.ID)
			oldest[t.Name][p.ID], newest[t.Name][p.ID] = sarama.OffsetOldest, sarama.OffsetNewest
		}
		o.most = max(o.most, len(t.Partitions))
	}
	// The committed offsets come first: read after the ends they could be beyond them, and the lag would be too small.
	committed, err := s.admin.ListConsumerGroupOffsets(s.c.Group, ids)
	if err == nil && committed.Err != sarama.ErrNoError {
		err = committed.Err
	}
	if err != nil {
		return o, fmt.Errorf("committed: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return o, err
	}
	begins, err := s.admin.ListOffsets(oldest, nil)
	if err != nil {
		return o, fmt.Errorf("beginnings: %w", err)
	}
	ends, err := s.admin.ListOffsets(newest, nil)
	if err != nil {
		return o, fmt.Errorf("ends: %w", err)
	}
	for topic, list := range ids {
		for _, id := range list {
			begin, end, block := begins[topic][id], ends[topic][id], committed.GetBlock(topic, id)
			if err := whole(begin, end, block); err != nil {
				return o, fmt.Errorf("partition %s-%d: %w", topic, id, err)
			}
			o.of[partition{topic, id}] = s.span(begin.Offset, end.Offset, block.Offset)
		}
	}
	return o, nil
}

func whole(begin, end *sarama.OffsetResult, block *sarama.OffsetFetchResponseBlock) error {
	switch {
	case begin == nil || end == nil || block == nil:
		return errors.New("a broker left it out of its reply")
	case !fine(begin.Err):
		return begin.Err
	case !fine(end.Err):
		return end.Err
	case block.Err != sarama.ErrNoError:
		return block.Err
	}
	return nil
}

// fine reports whether a broker said that all is well, which it does with an error of that meaning.
func fine(err error) bool { return err == nil || errors.Is(err, sarama.ErrNoError) }

// span is where the group stands. What the log has dropped does not wait any more; an offset that is beyond the end is of
// a topic that was made again.
func (s *Signal) span(begin, end, committed int64) span {
	switch {
	case committed < 0 && s.o.FromNewest:
		committed = end
	case committed < begin, committed > end:
		committed = begin
	}
	return span{end, committed}
}

// members is how many members take part: those that have partitions. In a rebalance nobody does.
func (s *Signal) members() (int, error) {
	groups, err := s.admin.DescribeConsumerGroups([]string{s.c.Group})
	if err != nil {
		return 0, err
	}
	if len(groups) != 1 {
		return 0, fmt.Errorf("%d groups in the reply", len(groups))
	}
	g := groups[0]
	if g.Err != sarama.ErrNoError {
		return 0, g.Err
	}
	if g.State != "Stable" {
		return 0, nil
	}
	n := 0
	for _, m := range g.Members {
		a, err := m.GetMemberAssignment()
		if err != nil {
			return 0, fmt.Errorf("assignment of %s: %w", m.MemberId, err)
		}
		if a != nil && len(a.Topics) > 0 {
			n++
		}
	}
	return n, nil
}

// sample turns offsets into values, with the earlier ones for rates and for the delay.
func (s *Signal) sample(now offsets) scaler.Sample {
	lag := int64(0)
	for _, p := range now.of {
		lag += p.end - p.done
	}
	out := scaler.Sample{Lag: scaler.Known(float64(lag), now.at), Partitions: scaler.Known(float64(now.most), now.at)}
	if len(s.history) > 0 {
		last := s.history[len(s.history)-1]
		out.Arrival = last.rate(now, func(p span) int64 { return p.end })
		out.Done = last.rate(now, func(p span) int64 { return p.done })
		if !out.Arrival.Known() && now.at.After(last.at) {
			s.history = nil // a log went back: what is remembered is of another topic
		}
	}
	if n := len(s.history); n == 0 || now.at.After(s.history[n-1].at) {
		s.history = append(s.history, now)
	}
	if len(s.history) > longestHistory {
		s.history = s.history[len(s.history)-longestHistory:]
	}
	out.Delay = s.delay(now)
	return out
}

// longestHistory is how many readings are kept for the delay: two hours of them, at two a minute.
const longestHistory = 240

// rate is by how much a number of all partitions grew per second. It is unknown if it went back in any partition. A
// partition that is new counts from the offset zero.
func (o offsets) rate(now offsets, of func(span) int64) scaler.Value {
	seconds := now.at.Sub(o.at).Seconds()
	if seconds <= 0 {
		return scaler.Value{}
	}
	sum := int64(0)
	for id, p := range now.of {
		grown := of(p) - of(o.of[id])
		if grown < 0 {
			return scaler.Value{}
		}
		sum += grown
	}
	return scaler.Known(float64(sum)/seconds, now.at)
}

// delay is the age of the oldest record that waits: the time since the end of its partition passed it, which lies between
// two readings. It is unknown if that was before the first.
func (s *Signal) delay(now offsets) scaler.Value {
	worst := time.Duration(0)
	for id, p := range now.of {
		if p.end == p.done {
			continue
		}
		since, ok := s.passed(id, p.done)
		if !ok {
			return scaler.Value{}
		}
		worst = max(worst, now.at.Sub(since))
	}
	return scaler.Known(worst.Seconds(), now.at)
}

// passed is when the end of a partition passed an offset, by a straight line between two readings.
func (s *Signal) passed(id partition, offset int64) (time.Time, bool) {
	for i := 1; i < len(s.history); i++ {
		before, known := s.history[i-1].of[id]
		after := s.history[i].of[id]
		if known && before.end <= offset && after.end > offset {
			from, took := s.history[i-1].at, s.history[i].at.Sub(s.history[i-1].at)
			return from.Add(time.Duration(float64(took) * float64(offset-before.end) / float64(after.end-before.end))), true
		}
	}
	return time.Time{}, false
}
