package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	service "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/kpl"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kinesis"
)

// kinesisStream is where the traffic goes: a shard for each file.
type kinesisStream struct {
	name   string
	client *service.Client
}

// openKinesis makes a stream with the traffic, unless it is there, and reads it.
func openKinesis(ctx context.Context, url, name, traffic string) (stream.Source, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	// Nothing is sent twice: a reply that is lost ends the program, and the next run sees what is there.
	there := func(o *service.Options) { o.BaseEndpoint, o.Retryer = &url, aws.NopRetryer{} }
	s := &kinesisStream{name, service.NewFromConfig(cfg, there)}
	if err := s.fill(ctx, traffic); err != nil {
		return nil, fmt.Errorf("write the traffic to stream %s: %w", name, err)
	}
	return kinesis.Open(ctx, kinesis.Config{AWS: cfg, Stream: name}, &kinesis.Options{Client: func(o *service.Options) { o.BaseEndpoint = &url }})
}

func (s *kinesisStream) fill(ctx context.Context, traffic string) error {
	_, err := s.client.CreateStream(ctx, &service.CreateStreamInput{StreamName: &s.name, ShardCount: aws.Int32(partitions)})
	var there *types.ResourceInUseException
	if err != nil && !errors.As(err, &there) {
		return err
	}
	w := service.NewStreamExistsWaiter(s.client, func(o *service.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := w.Wait(ctx, &service.DescribeStreamInput{StreamName: &s.name}, time.Minute); err != nil {
		return err
	}
	shards, err := s.client.ListShards(ctx, &service.ListShardsInput{StreamName: &s.name})
	if err != nil {
		return err
	}
	if len(shards.Shards) != partitions {
		return fmt.Errorf("it has %d shards, want %d", len(shards.Shards), partitions)
	}
	for p := range partitions {
		if err := s.file(ctx, &shards.Shards[p], filepath.Join(traffic, fileOf(p))); err != nil {
			return err
		}
	}
	return nil
}

// inOne is how many lines are packed into a record, as the Kinesis Producer Library does.
const inOne = 400

// file puts the lines of a file into a shard, in their order, behind those that are there. A record's key says how many
// lines there are with it.
func (s *kinesisStream) file(ctx context.Context, shard *types.Shard, name string) error {
	there, err := s.lines(ctx, shard)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := *shard.HashKeyRange.StartingHashKey
	var batch []kpl.Record
	n := 0
	put := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := s.client.PutRecord(ctx, &service.PutRecordInput{
			StreamName: &s.name, PartitionKey: aws.String(strconv.Itoa(n)), ExplicitHashKey: &hash, Data: kpl.Pack(batch...),
		})
		batch = batch[:0]
		return err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if n++; n <= there {
			continue
		}
		batch = append(batch, kpl.Record{Key: "hit", Hash: hash, Data: []byte(lines.Text())})
		if len(batch) == inOne {
			if err := put(); err != nil {
				return err
			}
		}
	}
	return errors.Join(lines.Err(), put())
}

// lines reads how many lines a shard has.
func (s *kinesisStream) lines(ctx context.Context, shard *types.Shard) (n int, err error) {
	it, err := s.client.GetShardIterator(ctx, &service.GetShardIteratorInput{
		StreamName: &s.name, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return 0, err
	}
	for next := it.ShardIterator; next != nil; {
		out, err := s.client.GetRecords(ctx, &service.GetRecordsInput{ShardIterator: next})
		if err != nil {
			return 0, err
		}
		for _, r := range out.Records {
			if n, err = strconv.Atoi(*r.PartitionKey); err != nil {
				return 0, err
			}
		}
		if len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
			break
		}
		next = out.NextShardIterator
	}
	return n, nil
}
