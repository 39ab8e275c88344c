//go:build unix

package merge_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/record"
)

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readAll starts every lane at its first record and reads n records, or to the end. It returns how many there were.
func readAll(b *testing.B, src driver.Source, n int) (got int) {
	b.Helper()
	for got < n {
		batch, err := src.Poll(context.Background())
		switch {
		case errors.Is(err, io.EOF):
			return got
		case err != nil:
			b.Fatal(err)
		case batch == nil:
			continue
		}
		for _, a := range batch.Assigned {
			st := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{}}
			for _, p := range a.Partitions {
				st.From[p] = driver.Progress{}
			}
			if err := src.Start(context.Background(), st); err != nil {
				b.Fatal(err)
			}
		}
		for i := range batch.Records {
			sink += len(batch.Records[i].Value)
		}
		got += len(batch.Records)
		batch.Release()
	}
	return got
}

var sink int

// compare measures the CPU of reading both sides side by side, which is the floor, and of merging them, in turns.
func compare(b *testing.B, n int, both, merged func() driver.Source) {
	b.Helper()
	var used [2]time.Duration
	for b.Loop() {
		for way, open := range []func() driver.Source{both, merged} {
			src := open()
			begin := cpu()
			if got := readAll(b, src, n); got != n {
				b.Fatalf("%d of %d records", got, n)
			}
			used[way] += cpu() - begin
			if err := src.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(b.N) / float64(n) }
	b.ReportMetric(per(used[0]), "floor-cpu-us/event")
	b.ReportMetric(per(used[1]), "cpu-us/event")
	b.ReportMetric(per(used[1]-used[0]), "over-us/event")
}

// ready is a side that has n records of 490 bytes, two milliseconds apart, in batches of 500.
type ready struct {
	*script
	at      time.Time
	next, n int
	free    chan []record.Record
	begun   bool
	told    bool
}

func newReady(source string, n int, at time.Time) *ready {
	return &ready{script: newScript(source), at: at, n: n, free: make(chan []record.Record, 64)}
}

func (s *ready) Start(context.Context, driver.Start) error { s.begun = true; return nil }

var value = make([]byte, 490)

func (s *ready) Poll(ctx context.Context) (*driver.Batch, error) {
	switch {
	case !s.told:
		s.told = true
		return <-s.give, nil
	case !s.begun:
		<-ctx.Done()
		return nil, ctx.Err()
	case s.next == s.n:
		return nil, io.EOF
	}
	var records []record.Record
	select {
	case records = <-s.free:
	default:
		records = make([]record.Record, 500)
	}
	for i := range records {
		s.next++
		records[i] = record.Record{Partition: &s.part, Position: record.Position{Sub: int64(s.next)}, Value: value, Time: s.at.Add(time.Duration(s.next) * 2 * time.Millisecond)}
	}
	return &driver.Batch{Lane: "0", Records: records, Bytes: 500 * 618, Done: func() {
		select {
		case s.free <- records:
		default:
		}
	}}, nil
}

// BenchmarkMemory is the price of a merge where reading costs next to nothing.
func BenchmarkMemory(b *testing.B) {
	const n = 500_000
	compare(b, 2*n, func() driver.Source {
		src, err := stream.Sources(map[string]stream.Source{"a": newReady("x", n, t0), "b": newReady("x", n, t0.Add(time.Millisecond))})
		if err != nil {
			b.Fatal(err)
		}
		return src
	}, func() driver.Source {
		return open(b, newReady("x", n, t0), map[string]merge.Given{"b": newReady("x", n, t0.Add(time.Millisecond))}, nil)
	})
}

// BenchmarkKafka merges two topics. ONCEFLOW_BENCH_EVENTS sets how many records both have, 400,000 by default.
func BenchmarkKafka(b *testing.B) {
	brokers := shared.Kafka(b).Brokers()
	n, _ := strconv.Atoi(os.Getenv("ONCEFLOW_BENCH_EVENTS"))
	if n == 0 {
		n = 400_000
	}
	topics := []string{fill(b, brokers, n/2), fill(b, brokers, n/2)}
	group := func(topic string) *kafka.Source {
		src, err := kafka.Open(context.Background(), kafka.Config{
			Brokers: brokers, Group: "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36), Topics: []string{topic},
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
		return src
	}
	compare(b, n, func() driver.Source {
		src, err := stream.Sources(map[string]stream.Source{"a": group(topics[0]), "b": group(topics[1])})
		if err != nil {
			b.Fatal(err)
		}
		return src
	}, func() driver.Source {
		other, err := kafka.OpenGiven(context.Background(), kafka.Config{Brokers: brokers, Topics: topics[1:]}, nil)
		if err != nil {
			b.Fatal(err)
		}
		return open(b, group(topics[0]), map[string]merge.Given{"b": other}, nil)
	})
}

const benchParts = 4

// fill writes n events of 490 bytes to a topic, a millisecond apart, in batches compressed with zstd.
func fill(b *testing.B, brokers []string, n int) string {
	b.Helper()
	name := topic(b, brokers, benchParts)
	c := config()
	c.Producer.Compression = sarama.CompressionZSTD
	c.Producer.Flush.MaxMessages = 0
	c.Producer.Flush.Bytes, c.Producer.Flush.Frequency, c.Producer.MaxMessageBytes = 512<<10, 10*time.Millisecond, 900<<10
	p, err := sarama.NewAsyncProducer(brokers, c)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	go func() {
		for i := range n {
			v := make([]byte, 490)
			for k := range v {
				v[k] = byte('a' + k%26)
			}
			for k := range 40 {
				v[k] = byte(r.IntN(256))
			}
			p.Input() <- &sarama.ProducerMessage{Topic: name, Partition: int32(i % benchParts), Timestamp: t0.Add(time.Duration(i) * time.Millisecond), Value: sarama.ByteEncoder(v)}
		}
		p.AsyncClose()
	}()
	done := 0
	for range p.Successes() {
		done++
	}
	if done != n {
		b.Fatalf("%d of %d were written", done, n)
	}
	return name
}
