package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/IBM/sarama"
)

// produce writes the traffic to a topic, a partition for each file, and goes on where a run that was killed has stopped:
// each partition holds the first lines of its file.
func produce(brokers []string, topic, traffic string) error {
	names, err := filepath.Glob(filepath.Join(traffic, "*.ndjson"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	cfg := sarama.NewConfig()
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	cfg.Producer.Idempotent, cfg.Producer.RequiredAcks, cfg.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	cfg.Producer.Return.Successes, cfg.Version = true, sarama.V2_8_0_0
	client, err := sarama.NewClient(brokers, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err
	}
	err = admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(len(names)), ReplicationFactor: 1}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	defer producer.Close()
	for i, name := range names {
		if err := produceFile(client, producer, topic, int32(i), name); err != nil {
			return err
		}
	}
	return nil
}

func produceFile(client sarama.Client, producer sarama.SyncProducer, topic string, partition int32, name string) error {
	there, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var batch []*sarama.ProducerMessage
	send := func() error {
		defer func() { batch = batch[:0] }()
		return producer.SendMessages(batch)
	}
	lines := bufio.NewScanner(f)
	for n := int64(0); lines.Scan(); n++ {
		if n < there {
			continue
		}
		batch = append(batch, &sarama.ProducerMessage{
			Topic: topic, Partition: partition, Value: sarama.StringEncoder(lines.Text()),
		})
		if len(batch) == 2000 {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return errors.Join(lines.Err(), send())
}
