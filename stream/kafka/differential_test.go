package kafka_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka"
)

// reference reads a partition with the client library's Broker.Fetch.
func (w *world) reference(topic string, end int64) []*sarama.Record {
	w.t.Helper()
	leader, err := w.client.Leader(topic, 0)
	w.must(err)
	b := sarama.NewBroker(leader.Addr())
	w.must(b.Open(config()))
	defer b.Close()
	var out []*sarama.Record
	for next := int64(0); next < end; {
		q := &sarama.FetchRequest{Version: 12, MaxWaitTime: 100, MinBytes: 1, MaxBytes: 1 << 20, Isolation: sarama.ReadUncommitted, SessionEpoch: -1}
		q.AddBlock(topic, 0, next, 1<<20, -1)
		r, err := b.Fetch(q)
		w.must(err)
		for _, set := range r.GetBlock(topic, 0).RecordsSet {
			for _, rec := range set.RecordBatch.Records {
				rec.OffsetDelta += set.RecordBatch.FirstOffset
				rec.TimestampDelta = time.Duration(set.RecordBatch.FirstTimestamp.Add(rec.TimestampDelta).UnixMilli())
				if rec.OffsetDelta >= next {
					out = append(out, rec)
				}
			}
			next = set.RecordBatch.LastOffset() + 1
		}
	}
	return out
}

func TestRecordsAreWhatBrokerFetchGives(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1, "retention.ms", "-1") // times are random
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, rnd.IntN(n))
		for i := range b {
			b[i] = byte('a' + rnd.IntN(4))
		}
		return b
	}
	n := 0
	for codec := range sarama.CompressionCodec(5) {
		c := config()
		c.Producer.Compression = codec
		p, err := newProducer(w.brokers, c)
		w.must(err)
		for range 10 {
			var ms []*sarama.ProducerMessage
			for range 1 + rnd.IntN(60) {
				m := &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(rnd.Int64N(time.Now().UnixMilli()))}
				if rnd.IntN(4) > 0 {
					m.Key = sarama.ByteEncoder(random(30))
				}
				if rnd.IntN(6) > 0 {
					m.Value = sarama.ByteEncoder(random(3000))
				}
				for range rnd.IntN(4) {
					m.Headers = append(m.Headers, sarama.RecordHeader{Key: random(9), Value: random(20)})
				}
				ms = append(ms, m)
			}
			w.must(p.SendMessages(ms))
			n += len(ms)
		}
		w.must(p.Close())
	}
	want := w.reference(topic, int64(n))
	r := read(t, w.open(&kafka.Options{FetchBytes: 40 << 10}, topic))
	r.records(n)
	if len(want) != n || len(r.order) != n {
		t.Fatalf("got %d records, the reference %d, produced %d", len(r.order), len(want), n)
	}
	for i, g := range r.order {
		x := want[i]
		same := g.Position.Sub-1 == x.OffsetDelta && bytes.Equal(g.Key, x.Key) && bytes.Equal(g.Value, x.Value) &&
			(g.Value == nil) == (x.Value == nil) && g.Time.UnixMilli() == int64(x.TimestampDelta) && len(g.Headers) == len(x.Headers)
		for j := range min(len(g.Headers), len(x.Headers)) {
			same = same && g.Headers[j].Key == string(x.Headers[j].Key) && bytes.Equal(g.Headers[j].Value, x.Headers[j].Value)
		}
		if !same {
			t.Fatalf("record %d: got %+v, the reference says %+v", i, g, x)
		}
	}
}
