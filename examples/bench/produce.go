package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	return c
}

// produce writes the set to a new topic, with one copy of each hundredth event or so.
func produce(brokers []string, topic string, s set, compression sarama.CompressionCodec) error {
	c := saramaConfig()
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.Compression = compression
	c.Producer.MaxMessageBytes, c.Producer.Flush.Bytes, c.Producer.Flush.Frequency = 900<<10, 512<<10, 10*time.Millisecond
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		return err
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false); err != nil {
		return err
	}
	p, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	failed := 0
	var first error
	wg.Go(func() {
		for e := range p.Errors() {
			if failed++; first == nil {
				first = e.Err
			}
		}
	})
	done := 0
	wg.Go(func() {
		for range p.Successes() {
			done++
		}
	})
	send := func(i int) {
		p.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: s.partition(i), Value: sarama.ByteEncoder(s.append(make([]byte, 0, 600), i))}
	}
	for i := range s.n {
		send(i)
		if c, ok := s.copyOf(i); ok {
			send(c)
		}
	}
	for i := s.n; i < s.size(); i++ {
		send(i)
	}
	p.AsyncClose()
	wg.Wait()
	if want := s.total(); done != want {
		return fmt.Errorf("%d of %d events were produced: %w", done, want, first)
	}
	return nil
}
