package kafka_test

import (
	"fmt"
	"testing"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

func TestAllRecordsOfAllCodecsComeOnceAndInOrder(t *testing.T) {
	w := onKafka(t)
	codecs := []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD,
	}
	topic := w.topic(2)
	const each = 500
	for i, c := range codecs {
		for part := range int32(2) {
			w.produce(topic, part, i*each, (i+1)*each, func(cfg *sarama.Config) { cfg.Producer.Compression = c })
		}
	}
	r := read(t, w.open(nil, topic))
	r.records(2 * each * len(codecs))
	for part := range 2 {
		r.check(r.partition(topic, part), 0, each*len(codecs))
	}
	w.produce(topic, 1, each*len(codecs), each*len(codecs)+10)
	r.records(2*each*len(codecs) + 10)
	r.check(r.partition(topic, 1), 0, each*len(codecs)+10)
	r.nothing()
}

func TestALaneBeginsAfterUpToWhateverTheGroupsOffsetsSay(t *testing.T) {
	w := onKafka(t)
	for name, offset := range map[string]int64{"none": -1, "ahead": 90, "behind": 5} {
		t.Run(name, func(t *testing.T) {
			topic := w.topic(1)
			w.produce(topic, 0, 0, 100)
			if offset >= 0 {
				om, err := sarama.NewOffsetManagerFromClient("g-"+topic, w.client)
				w.must(err)
				pom, err := om.ManagePartition(topic, 0)
				w.must(err)
				pom.MarkOffset(offset, "")
				om.Commit()
				w.must(pom.Close())
				w.must(om.Close())
			}
			r := read(t, w.open(nil, topic))
			r.from = func(record.Partition) driver.Progress { return driver.Progress{UpTo: record.Position{Sub: 40}} }
			r.records(60)
			r.check(r.partition(topic, 0), 40, 100)
		})
	}
}

func TestPendingRecordsOfAllPartitionsComeBeforeAnyNewOne(t *testing.T) {
	w := onKafka(t)
	a := w.topic(1)
	b := w.topic(1)
	w.produce(a, 0, 0, 3000)
	w.produce(b, 0, 0, 3000)
	r := read(t, w.open(nil, a, b))
	pa, pb := r.partition(a, 0), r.partition(b, 0)
	r.from = func(p record.Partition) driver.Progress {
		pending := driver.PendingSet{First: record.Position{Sub: 11}, Ordinals: []uint32{0, 3, 1500}, Through: 2490} // offsets 10, 13, 1510
		if p == pb {
			pending = driver.PendingSet{First: record.Position{Sub: 2001}, Ordinals: []uint32{0, 1, 2}, Through: 500}
		}
		return driver.Progress{UpTo: record.Position{Sub: 2500}, Pending: pending}
	}
	r.records(6 + 2*500)
	var first []string
	for _, rec := range r.order[:6] {
		first = append(first, fmt.Sprint(*rec.Partition == pa, rec.Position.Sub-1))
	}
	for _, want := range []string{"true 10", "true 13", "true 1510", "false 2000", "false 2001", "false 2002"} {
		found := false
		for _, f := range first {
			found = found || f == want
		}
		if !found {
			t.Errorf("pending record %q is not among the first six, which are %q", want, first)
		}
	}
	r.got[pa], r.got[pb] = r.got[pa][3:], r.got[pb][3:]
	r.check(pa, 2500, 3000)
	r.check(pb, 2500, 3000)
	if len(r.lanes) != 1 {
		t.Errorf("lanes are %v, want both topics in one", r.lanes)
	}
}

func TestStartAgainForgetsWhatWasRead(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 2000)
	src := w.open(nil, topic)
	r := read(t, src)
	r.records(1)
	p := r.partition(topic, 0)
	for _, upTo := range []int64{1500, 7, 1999, 0} {
		r.got, r.order = map[record.Partition][]record.Record{}, nil
		st := driver.Start{Lane: "0", From: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: upTo}}}}
		w.must(src.Start(t.Context(), st))
		r.records(2000 - int(upTo))
		r.check(p, int(upTo), 2000)
	}
}

func TestAPausedLaneGivesNothingAndOthersGoOn(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(2)
	for part := range int32(2) {
		w.produce(topic, part, 0, 3000)
	}
	src := w.open(&kafka.Options{FetchBytes: 64 << 10, Buffer: 256 << 10}, topic)
	r := read(t, src)
	r.until("both lanes are assigned", func() bool { return len(r.lanes) == 2 })
	src.Pause("0", true)
	p0, p1 := r.partition(topic, 0), r.partition(topic, 1)
	r.got = map[record.Partition][]record.Record{}
	r.until("the other lane is read", func() bool { return len(r.got[p1]) == 3000 })
	before := len(r.got[p0])
	r.nothing()
	if n := len(r.got[p0]) - before; n > 0 {
		t.Errorf("%d records came of a paused lane", n)
	}
	src.Pause("0", false)
	r.until("the lane is read", func() bool { return len(r.got[p0]) == 3000 })
	r.check(p0, 0, 3000)
	r.check(p1, 0, 3000)
}

func TestTopicsWithDifferentNumbersOfPartitionsAreRefused(t *testing.T) {
	w := onKafka(t)
	a, b := w.topic(2), w.topic(3)
	c := kafka.Config{Brokers: w.brokers, Group: "g", Topics: []string{a, b}}
	if s, err := kafka.Open(t.Context(), c, nil); err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	}
	s, err := kafka.Open(t.Context(), c, &kafka.Options{Separate: true})
	w.must(err)
	r := read(t, s)
	r.until("five lanes", func() bool { return len(r.lanes) == 5 })
	w.must(s.Close())
}
