package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/dedup"
	dedupredis "github.com/onceflow/onceflow/dedup/redis"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/s3"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/kafka"
)

// The parts that a flag switches from embedded to real.

func openStore(ctx context.Context, o *options) (sink.Store, error) {
	if o.bucket == "" {
		return sinkfile.Open(o.out, nil)
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return s3.Open(ctx, cfg, o.bucket, &s3.Options{Endpoint: o.endpoint, PathStyle: o.endpoint != ""})
}

func openSource(ctx context.Context, o *options, truth *Truth) (stream.Source, error) {
	if o.kinesis != "" {
		return openKinesis(ctx, o.kinesis, "newsroom-"+truth.Name, o.traffic)
	}
	if o.kafka == "" {
		return file.Open(file.Config{Dir: o.traffic}, nil)
	}
	brokers, topic := strings.Split(o.kafka, ","), "newsroom-"+truth.Name
	if err := produce(brokers, topic, o.traffic); err != nil {
		return nil, fmt.Errorf("write the traffic to topic %s: %w", topic, err)
	}
	return kafka.Open(ctx, kafka.Config{Brokers: brokers, Group: topic, Topics: []string{topic}}, nil)
}

func openIDs(ctx context.Context, o *options) (dedup.Store, func() error, error) {
	if o.redis == "" {
		ids := dedup.NewMemory(nil)
		return ids, ids.Close, nil
	}
	client := redis.NewClient(&redis.Options{Addr: o.redis})
	ids, err := dedupredis.Open(ctx, client, job, nil)
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return ids, func() error { return errors.Join(ids.Close(), client.Close()) }, nil
}
