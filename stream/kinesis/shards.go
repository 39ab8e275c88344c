package kinesis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/record"
)

// description is what the service says of the stream.
type description struct {
	arn, name string
	created   time.Time
	retention time.Duration
	auto      bool // the service spreads records as it likes, whatever their keys
}

// epoch is what makes a stream another one than its namesake before it.
func (d *description) epoch() string {
	return d.created.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (d *description) partition(shard string) record.Partition {
	return record.Partition{Source: d.arn, Epoch: d.epoch(), ID: shard}
}

func (s *Source) describe(ctx context.Context) (*description, error) {
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

// shard is one that the service lists.
type shard struct {
	id      string
	parents []string // none, one, or two of a merge
	keys    hashRange
	closed  bool // nothing is written to it any more
}

// list asks the service for all shards, sorted.
func (s *Source) list(ctx context.Context) ([]shard, error) {
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

func compareIDs(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// lineageOf says who came from whom.
func (d *description) lineageOf(shards []shard) []lineage.Shard {
	out := make([]lineage.Shard, len(shards))
	for i, sh := range shards {
		out[i].Partition = d.partition(sh.id)
		for _, p := range sh.parents {
			out[i].Parents = append(out[i].Parents, d.partition(p))
		}
	}
	return out
}

// childrenOf are the shards that took the place of one.
func (d *description) childrenOf(id string, shards []shard) (children []record.Partition) {
	for _, sh := range shards {
		if slices.Contains(sh.parents, id) {
			children = append(children, d.partition(sh.id))
		}
	}
	return children
}

func (s *Source) streamName() *string {
	if isARN(s.conf.Stream) {
		return nil
	}
	return &s.conf.Stream
}

func (s *Source) streamARN() *string {
	if isARN(s.conf.Stream) {
		return &s.conf.Stream
	}
	return nil
}

func isARN(s string) bool { return len(s) > 4 && s[:4] == "arn:" }
