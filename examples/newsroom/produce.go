package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/IBM/sarama"
)

// produce writes the traffic to a topic, a partition for each file, unless the topic has it already. A topic with a part
// of it is refused: delete it.
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
	if errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return whole(client, topic, names)
	}
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	defer producer.Close()
	for i, name := range names {
		if err := produceFile(producer, topic, int32(i), name); err != nil {
			return err
		}
	}
	return nil
}

func produceFile(producer sarama.SyncProducer, topic string, partition int32, name string) error {
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
	for lines.Scan() {
		batch = append(batch, &sarama.ProducerMessage{
			Topic: topic, Partition: partition, Value: sarama.StringEncoder(lines.Text()),
		})
		if len(batch) == 5000 {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return errors.Join(lines.Err(), send())
}

// whole makes sure that a run that was killed did not leave a part of the traffic.
func whole(client sarama.Client, topic string, names []string) error {
	for i, name := range names {
		end, err := client.GetOffset(topic, int32(i), sarama.OffsetNewest)
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(f)
		n := int64(0)
		for lines.Scan() {
			n++
		}
		f.Close()
		if n != end {
			return errors.New("the topic has another number of records: delete it, and start again")
		}
	}
	return nil
}
