package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	dynamoservice "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	kinesisservice "github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/dynamodb"
	auditkafka "github.com/onceflow/onceflow/sink/audit/kafka"
	auditkinesis "github.com/onceflow/onceflow/sink/audit/kinesis"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/kinesis"
)

// parts are what a flag switches from embedded to real.
type parts struct {
	store    sink.Store // of the batches and of the output
	folder   *audit.Folder
	registry audit.Registry
	send     *faulty
	source   func(context.Context) (stream.Source, error)
	closers  []func() error
}

func (p *parts) close() {
	for _, c := range p.closers {
		_ = c() // the process ends
	}
}

func (p *parts) config() audit.Config {
	return audit.Config{Output: p.store, Job: jobName, Batches: p.folder, Registry: p.registry}
}

func openParts(ctx context.Context, o *options) (p *parts, err error) {
	p = &parts{}
	if p.store, err = sinkfile.Open(filepath.Join(o.out, "bucket"), nil); err != nil {
		return nil, err
	}
	if p.folder, err = audit.OpenFolder(ctx, p.store, source); err != nil {
		return nil, err
	}
	p.registry = audit.NewObjects(p.folder)
	if o.dynamodb != "" {
		if p.registry, err = openDynamoDB(ctx, o.dynamodb, o.table); err != nil {
			return nil, fmt.Errorf("DynamoDB: %w", err)
		}
	}
	var to audit.Sender
	switch {
	case o.kafka != "":
		to, err = p.openKafka(o)
	case o.kinesis != "":
		to, err = p.openKinesis(ctx, o)
	default:
		dir := filepath.Join(o.out, "topic")
		to, err = openTopic(dir, o.role)
		p.source = func(context.Context) (stream.Source, error) { return openTopicSource(dir, o) }
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.send = &faulty{to: to, faults: o.faults}
	return p, nil
}

func (p *parts) openKafka(o *options) (audit.Sender, error) {
	brokers := strings.Split(o.kafka, ",")
	c := auditkafka.Config()
	c.Metadata.Retry.Max = 40 // a topic that was just made may have no leader for a while
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, client.Close)
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return nil, err
	}
	err = admin.CreateTopic(o.topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: -1}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil, err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return nil, err
	}
	p.closers = append([]func() error{producer.Close}, p.closers...)
	p.source = func(ctx context.Context) (stream.Source, error) {
		return kafka.Open(ctx, kafka.Config{Brokers: brokers, Group: o.topic, Topics: []string{o.topic}}, nil)
	}
	return auditkafka.New(producer, o.topic)
}

// amazon is the URL that stands for Amazon's own.
const amazon = "aws"

func endpointOf(url string) *string {
	if url == amazon {
		return nil
	}
	return &url
}

func (p *parts) openKinesis(ctx context.Context, o *options) (audit.Sender, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	there := func(k *kinesisservice.Options) { k.BaseEndpoint = endpointOf(o.kinesis) }
	client := kinesisservice.NewFromConfig(cfg, there)
	_, err = client.CreateStream(ctx, &kinesisservice.CreateStreamInput{StreamName: &o.topic, ShardCount: aws.Int32(partitions)})
	var exists *kinesistypes.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return nil, err
	}
	w := kinesisservice.NewStreamExistsWaiter(client, func(o *kinesisservice.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := w.Wait(ctx, &kinesisservice.DescribeStreamInput{StreamName: &o.topic}, 5*time.Minute); err != nil {
		return nil, err
	}
	p.source = func(ctx context.Context) (stream.Source, error) {
		return kinesis.Open(ctx, kinesis.Config{AWS: cfg, Stream: o.topic}, &kinesis.Options{Client: there})
	}
	return auditkinesis.New(client, o.topic, nil)
}

func openDynamoDB(ctx context.Context, url, table string) (audit.Registry, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := dynamoservice.NewFromConfig(cfg, func(d *dynamoservice.Options) { d.BaseEndpoint = endpointOf(url) })
	g, err := dynamodb.Open(ctx, client, table, source, nil)
	var missing *dynamotypes.ResourceNotFoundException
	if !errors.As(err, &missing) {
		return g, err
	}
	var exists *dynamotypes.ResourceInUseException
	if err := dynamodb.Create(ctx, client, table); err != nil && !errors.As(err, &exists) {
		return nil, err
	}
	w := dynamoservice.NewTableExistsWaiter(client, func(o *dynamoservice.TableExistsWaiterOptions) { o.MinDelay = time.Second })
	if err := w.Wait(ctx, &dynamoservice.DescribeTableInput{TableName: &table}, time.Minute); err != nil { // another process makes it
		return nil, err
	}
	return dynamodb.Open(ctx, client, table, source, nil)
}
