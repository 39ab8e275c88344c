package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// topic is where the traffic goes.
type topic struct {
	name     string
	client   sarama.Client
	producer sarama.SyncProducer
}

// openTopic makes the topic if it is not there.
func openTopic(brokers []string, name string) (t *topic, err error) {
	cfg := sarama.NewConfig()
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	cfg.Producer.Idempotent, cfg.Producer.RequiredAcks, cfg.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	cfg.Producer.Return.Successes, cfg.Version = true, sarama.V2_8_0_0
	cfg.Producer.Retry.Max, cfg.Metadata.Retry.Max = 100, 100 // a topic that was just made may have no leader for a while
	t = &topic{name: name}
	if t.client, err = sarama.NewClient(brokers, cfg); err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdminFromClient(t.client)
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	err = admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil, errors.Join(err, t.close())
	}
	if t.producer, err = sarama.NewSyncProducerFromClient(t.client); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *topic) close() error {
	var err error
	if t.producer != nil {
		err = t.producer.Close()
	}
	return errors.Join(err, t.client.Close())
}

// produce writes the traffic to a topic, a partition for each file, and goes on where a run that was killed has stopped:
// each partition holds the first lines of its file.
func produce(brokers []string, name, traffic string) error {
	t, err := openTopic(brokers, name)
	if err != nil {
		return err
	}
	for p := range partitions {
		if err := t.file(p, filepath.Join(traffic, fileOf(p))); err != nil {
			return errors.Join(err, t.close())
		}
	}
	return t.close()
}

func (t *topic) file(partition int, name string) error {
	there, err := t.end(partition)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var batch []line
	lines := bufio.NewScanner(f)
	for n := int64(0); lines.Scan(); n++ {
		if n < there {
			continue
		}
		batch = append(batch, line{text: slices.Clone(lines.Bytes())})
		if len(batch) == 2000 {
			if err := t.send(partition, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return errors.Join(lines.Err(), t.send(partition, batch))
}

// end returns how many records a partition has. The broker of a topic that was just made may not know for a moment that it
// leads it.
func (t *topic) end(partition int) (n int64, err error) {
	for range 100 {
		n, err = t.client.GetOffset(t.name, int32(partition), sarama.OffsetNewest)
		if !errors.Is(err, sarama.ErrNotLeaderForPartition) && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			break
		}
		<-time.After(100 * time.Millisecond)
	}
	return n, err
}

func (t *topic) send(partition int, lines []line) error {
	var batch []*sarama.ProducerMessage
	for _, l := range lines {
		batch = append(batch, &sarama.ProducerMessage{
			Topic: t.name, Partition: int32(partition), Value: sarama.ByteEncoder(l.text),
		})
	}
	return t.producer.SendMessages(batch)
}
