//go:build unix

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchParts = 4

// fill writes n events of about 490 bytes of JSON to a topic, as a producer does that gathers batches.
func (w *world) fill(n int, codec sarama.CompressionCodec) string {
	w.t.Helper()
	topic := w.topic(benchParts)
	c := config()
	c.Producer.Compression = codec
	c.Producer.Flush.Bytes, c.Producer.Flush.Frequency, c.Producer.MaxMessageBytes = 512<<10, 10*time.Millisecond, 900<<10
	p, err := sarama.NewAsyncProducer(w.brokers, c)
	w.must(err)
	rnd := rand.New(rand.NewPCG(7, 7))
	go func() {
		for i := range n {
			v := fmt.Sprintf(`{"id":"%016x%016x","at":%d,"session":"%016x","kind":"view","url":"https://example.org/%s/%d","agent":"%s","ip":"10.%d.%d.%d"}`,
				rnd.Uint64(), rnd.Uint64(), 1700000000000+i, rnd.Uint64(), strings.Repeat("section/", 8), rnd.IntN(1e6),
				strings.Repeat("Mozilla/5.0 (X11; Linux x86_64) ", 6), rnd.IntN(256), rnd.IntN(256), rnd.IntN(256))
			p.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: int32(i % benchParts), Key: sarama.StringEncoder(strconv.Itoa(i)), Value: sarama.StringEncoder(v)}
		}
		p.AsyncClose()
	}()
	done := 0
	for range p.Successes() {
		done++
	}
	if done != n {
		w.t.Fatalf("%d of %d were written", done, n)
	}
	return topic
}

// BenchmarkConsume compares the CPU that it costs to read and count events: by this source, and by the client library's
// PartitionConsumer with large buffers. ONCEFLOW_BENCH_EVENTS sets how many.
func BenchmarkConsume(b *testing.B) {
	w := onKafka(b)
	n, _ := strconv.Atoi(os.Getenv("ONCEFLOW_BENCH_EVENTS"))
	if n == 0 {
		n = 400_000
	}
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionZSTD} {
		topic := w.fill(n, codec)
		for _, way := range []struct {
			name string
			read func(*world, string, int) int64
		}{{"source", countSource}, {"sarama", countSarama}} {
			b.Run(fmt.Sprintf("%s/%s", codec, way.name), func(b *testing.B) {
				b.ReportAllocs()
				begin := cpu()
				for b.Loop() {
					if got := way.read(w, topic, n); got < int64(n)*300 {
						b.Fatalf("%d bytes", got)
					}
				}
				b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N)/float64(n), "cpu-us/event")
				b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func countSource(w *world, topic string, n int) (size int64) {
	s, err := kafka.Open(context.Background(), kafka.Config{Brokers: w.brokers, Group: "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36), Topics: []string{topic}}, nil)
	w.must(err)
	defer s.Close()
	for got := 0; got < n; {
		b, err := s.Poll(context.Background())
		w.must(err)
		for _, a := range b.Assigned {
			w.must(s.Start(context.Background(), driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{a.Partitions[0]: {}}}))
		}
		for i := range b.Records {
			size += int64(len(b.Records[i].Value))
		}
		got += len(b.Records)
		b.Release()
	}
	return size
}

func countSarama(w *world, topic string, n int) (size int64) {
	c := config()
	c.ChannelBufferSize = 4096
	c.Consumer.Fetch.Default, c.Consumer.Fetch.Max = 4<<20, 0
	consumer, err := sarama.NewConsumer(w.brokers, c)
	w.must(err)
	var mu sync.Mutex
	var errs error
	var wg sync.WaitGroup
	for part := range int32(benchParts) {
		wg.Go(func() {
			pc, err := consumer.ConsumePartition(topic, part, sarama.OffsetOldest)
			sum := int64(0)
			for got := 0; err == nil && got < n/benchParts; got++ {
				sum += int64(len((<-pc.Messages()).Value))
			}
			if pc != nil {
				pc.AsyncClose()
			}
			mu.Lock()
			defer mu.Unlock()
			size, errs = size+sum, errors.Join(errs, err)
		})
	}
	wg.Wait()
	w.must(errs)
	_ = consumer.Close()
	return size
}
