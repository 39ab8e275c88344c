package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"
)

// recordBytes is the length of each value.
const recordBytes = 300

// words make the values compress about as JSON of events does.
var words = []string{"session", "product", "checkout", "https://shop.example.com/", "women/shoes", "garden/tools", "Mozilla/5.0 (X11; Linux x86_64)", "consent=analytics"}

func value(rnd *rand.Rand) []byte {
	b := make([]byte, 0, recordBytes+64)
	b = fmt.Appendf(b, `{"id":"%016x%016x","at":%d`, rnd.Uint64(), rnd.Uint64(), rnd.IntN(1e9))
	for len(b) < recordBytes {
		b = fmt.Appendf(b, `,"%s":"%s/%x"`, words[rnd.IntN(3)], words[rnd.IntN(len(words))], rnd.Uint32())
	}
	return b[:recordBytes]
}

// produce writes records to a new topic, in batches as a producer makes them that has much to write.
func produce(brokers []string, topic string, parts, records int, codec sarama.CompressionCodec) error {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.Compression = codec
	c.Producer.MaxMessageBytes, c.Producer.Flush.Bytes, c.Producer.Flush.Frequency = 900<<10, 512<<10, 10*time.Millisecond
	admin, err := sarama.NewClusterAdmin(brokers, c)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(parts), ReplicationFactor: 1}, false); err != nil {
		return err
	}
	p, err := sarama.NewAsyncProducer(brokers, c)
	if err != nil {
		return err
	}
	go func() {
		defer p.AsyncClose()
		rnd := rand.New(rand.NewPCG(7, 7))
		for i := range records {
			p.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: int32(i % parts), Value: sarama.ByteEncoder(value(rnd))}
		}
	}()
	var failed []error
	done := make(chan int)
	go func() {
		n := 0
		for range p.Successes() {
			n++
		}
		done <- n
	}()
	for e := range p.Errors() {
		failed = append(failed, e.Err)
	}
	if n := <-done; n != records {
		return fmt.Errorf("%d of %d records were produced: %w", n, records, errors.Join(failed[:min(1, len(failed))]...))
	}
	return nil
}
