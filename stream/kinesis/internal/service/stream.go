package service

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

// Stream asks the service about one stream. It is safe for concurrent use; Register comes before.
type Stream struct {
	name     string // or its ARN, as it was told
	region   string
	timeout  time.Duration
	Client   API
	Is       *Description // as it was at Open
	Consumer string       // ARN of the fan-out consumer; empty without
}

// Describe asks what the stream is.
func (s *Stream) Describe(ctx context.Context) (*Description, error) {
	in := &kinesis.DescribeStreamSummaryInput{StreamName: s.streamName(), StreamARN: s.streamARN()}
	out, err := s.Client.DescribeStreamSummary(ctx, in)
	if err != nil {
		return nil, err
	}
	d := out.StreamDescriptionSummary
	if d == nil || d.StreamCreationTimestamp == nil || aws.ToString(d.StreamARN) == "" {
		return nil, fmt.Errorf("the description has no ARN or no time of creation")
	}
	return &Description{
		ARN: aws.ToString(d.StreamARN), Name: aws.ToString(d.StreamName), Created: *d.StreamCreationTimestamp,
		Retention: time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour,
		Auto:      d.RecordDistributionStrategy == types.RecordDistributionStrategyAuto,
	}, nil
}

// List asks the service for all shards, sorted.
func (s *Stream) List(ctx context.Context) ([]Shard, error) {
	var shards []Shard
	in := &kinesis.ListShardsInput{StreamName: s.streamName(), StreamARN: s.streamARN()}
	for {
		out, err := s.Client.ListShards(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range out.Shards {
			sh := &out.Shards[i]
			keys, err := parseRange(sh.HashKeyRange)
			if err != nil {
				return nil, fmt.Errorf("shard %s: %w", aws.ToString(sh.ShardId), err)
			}
			one := Shard{ID: aws.ToString(sh.ShardId), Keys: keys}
			one.Closed = sh.SequenceNumberRange != nil && sh.SequenceNumberRange.EndingSequenceNumber != nil
			for _, p := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
				if aws.ToString(p) != "" {
					one.Parents = append(one.Parents, *p)
				}
			}
			shards = append(shards, one)
		}
		if aws.ToString(out.NextToken) == "" {
			slices.SortFunc(shards, func(a, b Shard) int { return compareIDs(a.ID, b.ID) })
			return shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // the service wants nothing beside it
	}
}

func (s *Stream) streamName() *string {
	if isARN(s.name) {
		return nil
	}
	return &s.name
}

func (s *Stream) streamARN() *string {
	if isARN(s.name) {
		return &s.name
	}
	return nil
}

// Iterator makes one for a place in a shard.
func (s *Stream) Iterator(ctx context.Context, p record.Partition, from *types.StartingPosition) (string, error) {
	in := &kinesis.GetShardIteratorInput{
		ShardId: &p.ID, StreamARN: &p.Source, ShardIteratorType: from.Type, StartingSequenceNumber: from.SequenceNumber, Timestamp: from.Timestamp,
	}
	out, err := s.Client.GetShardIterator(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// Still checks whether the stream and the shard exist, after the service said that something does not.
func (s *Stream) Still(ctx context.Context, p record.Partition) error {
	d, err := s.Describe(ctx)
	switch {
	case Missing(err):
		return &Lost{Partition: p, Why: "the stream was deleted"}
	case err != nil:
		return nil //nolint:nilerr // it may pass
	case d.Epoch() != p.Epoch:
		return &Lost{Partition: p, Why: fmt.Sprintf("the stream was deleted and made again at %s", d.Epoch())}
	}
	shards, err := s.List(ctx)
	if err != nil {
		return nil //nolint:nilerr // the same
	}
	for _, sh := range shards {
		if sh.ID == p.ID {
			return nil
		}
	}
	return &Lost{Partition: p, Why: "the service does not list the shard any more"}
}

// Open finds out what stream a name or ARN means, which shards it has, and whether we may read.
func Open(ctx context.Context, client API, name, region string, timeout time.Duration) (s *Stream, shards []Shard, err error) {
	s = &Stream{name: name, region: region, timeout: timeout, Client: client}
	if err := s.Insist(ctx, "description", func(ctx context.Context) (err error) {
		s.Is, err = s.Describe(ctx)
		return err
	}); err != nil {
		return nil, nil, err
	}
	if err := s.Insist(ctx, "list of shards", func(ctx context.Context) (err error) {
		shards, err = s.List(ctx)
		return err
	}); err != nil {
		return nil, nil, err
	}
	if len(shards) == 0 {
		return s, nil, nil
	}
	return s, shards, s.Insist(ctx, "iterator", func(ctx context.Context) error {
		from := &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
		_, err := s.Iterator(ctx, s.Is.Partition(shards[len(shards)-1].ID), from)
		return err
	})
}

// Insist repeats a request until it succeeds, cannot succeed, or half a minute has passed.
func (s *Stream) Insist(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := Again(func(err error) bool { return !hopeless(err) }).Do(ctx, f); err != nil {
		return s.Advise(what, err)
	}
	return nil
}

// Register makes the consumer unless there is one of its name, and waits until it can be used.
func (s *Stream) Register(ctx context.Context, name string) error {
	arn := s.Is.ARN
	err := s.Insist(ctx, "registration of consumer "+name, func(ctx context.Context) error {
		_, err := s.Client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{ConsumerName: &name, StreamARN: &arn})
		if InUse(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.Insist(ctx, "description of consumer "+name, func(ctx context.Context) error {
		out, err := s.Client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerName: &name, StreamARN: &arn})
		if err != nil {
			return err
		}
		if d := out.ConsumerDescription; d == nil || d.ConsumerStatus != types.ConsumerStatusActive {
			return errors.New("it is not active yet")
		}
		s.Consumer = aws.ToString(out.ConsumerDescription.ConsumerARN)
		return nil
	})
}
