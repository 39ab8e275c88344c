package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/stream/record"
)

// service asks the service about one stream. It has no state; it is safe for concurrent use once open has made it.
type service struct {
	conf     *Config
	timeout  time.Duration
	client   api
	stream   *description // as it was at Open
	consumer string       // ARN of the fan-out consumer; empty without
}

// describe asks what the stream is.
func (s *service) describe(ctx context.Context) (*description, error) {
	in := &kinesis.DescribeStreamSummaryInput{StreamName: s.streamName(), StreamARN: s.streamARN()}
	out, err := s.client.DescribeStreamSummary(ctx, in)
	if err != nil {
		return nil, err
	}
	d := out.StreamDescriptionSummary
	if d == nil || d.StreamCreationTimestamp == nil || aws.ToString(d.StreamARN) == "" {
		return nil, fmt.Errorf("the description has no ARN or no time of creation")
	}
	return &description{
		arn: aws.ToString(d.StreamARN), name: aws.ToString(d.StreamName), created: *d.StreamCreationTimestamp,
		retention: time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour,
		auto:      d.RecordDistributionStrategy == types.RecordDistributionStrategyAuto,
	}, nil
}

// list asks the service for all shards, sorted.
func (s *service) list(ctx context.Context) ([]shard, error) {
	var shards []shard
	in := &kinesis.ListShardsInput{StreamName: s.streamName(), StreamARN: s.streamARN()}
	for {
		out, err := s.client.ListShards(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range out.Shards {
			sh := &out.Shards[i]
			keys, err := parseRange(sh.HashKeyRange)
			if err != nil {
				return nil, fmt.Errorf("shard %s: %w", aws.ToString(sh.ShardId), err)
			}
			one := shard{id: aws.ToString(sh.ShardId), keys: keys}
			one.closed = sh.SequenceNumberRange != nil && sh.SequenceNumberRange.EndingSequenceNumber != nil
			for _, p := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
				if aws.ToString(p) != "" {
					one.parents = append(one.parents, *p)
				}
			}
			shards = append(shards, one)
		}
		if aws.ToString(out.NextToken) == "" {
			slices.SortFunc(shards, func(a, b shard) int { return compareIDs(a.id, b.id) })
			return shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // the service wants nothing beside it
	}
}

func (s *service) streamName() *string {
	if isARN(s.conf.Stream) {
		return nil
	}
	return &s.conf.Stream
}

func (s *service) streamARN() *string {
	if isARN(s.conf.Stream) {
		return &s.conf.Stream
	}
	return nil
}

// iterator makes one for a place in a shard.
func (s *service) iterator(ctx context.Context, p record.Partition, at origin) (string, error) {
	from := at.starting()
	in := &kinesis.GetShardIteratorInput{
		ShardId: &p.ID, StreamARN: &p.Source, ShardIteratorType: from.Type, StartingSequenceNumber: from.SequenceNumber, Timestamp: from.Timestamp,
	}
	out, err := s.client.GetShardIterator(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// still finds out whether the stream and the shard are there, after the service said that something is not.
func (s *service) still(ctx context.Context, p record.Partition) error {
	d, err := s.describe(ctx)
	switch {
	case missing(err):
		return &LostError{Partition: p, Why: "the stream was deleted"}
	case err != nil:
		return nil //nolint:nilerr // it may pass
	case d.epoch() != p.Epoch:
		return &LostError{Partition: p, Why: fmt.Sprintf("the stream was deleted and made again at %s", d.epoch())}
	}
	shards, err := s.list(ctx)
	if err != nil {
		return nil //nolint:nilerr // the same
	}
	for _, sh := range shards {
		if sh.id == p.ID {
			return nil
		}
	}
	return &LostError{Partition: p, Why: "the service does not list the shard any more"}
}

// tryRead finds out whether we may read.
func (s *service) tryRead(ctx context.Context, shards []shard) error {
	if len(shards) == 0 {
		return nil
	}
	return s.insist(ctx, "iterator", func(ctx context.Context) error {
		_, err := s.iterator(ctx, s.stream.partition(shards[len(shards)-1].id), origin{})
		return err
	})
}

// insist repeats a request until it succeeds, cannot, or half a minute has passed.
func (s *service) insist(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for n := 0; ; n++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if hopeless(err) || pause(ctx, backoff(n), nil) != nil {
			return s.conf.advise(what, err)
		}
	}
}

// register makes the consumer unless there is one of its name, and waits until it can be used.
func (s *service) register(ctx context.Context, name string) error {
	arn := s.stream.arn
	err := s.insist(ctx, "registration of consumer "+name, func(ctx context.Context) error {
		_, err := s.client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{ConsumerName: &name, StreamARN: &arn})
		if inUse(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.insist(ctx, "description of consumer "+name, func(ctx context.Context) error {
		out, err := s.client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerName: &name, StreamARN: &arn})
		if err != nil {
			return err
		}
		if d := out.ConsumerDescription; d == nil || d.ConsumerStatus != types.ConsumerStatusActive {
			return errors.New("it is not active yet")
		}
		s.consumer = aws.ToString(out.ConsumerDescription.ConsumerARN)
		return nil
	})
}
