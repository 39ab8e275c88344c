package kafka_test

import (
	"testing"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/record"
)

// producer is a transactional one.
func (w *world) producer(id string) sarama.SyncProducer {
	w.t.Helper()
	c := config()
	c.Producer.Idempotent, c.Producer.Transaction.ID = true, id
	c.Net.MaxOpenRequests = 1
	p, err := sarama.NewSyncProducer(w.brokers, c)
	w.must(err)
	w.t.Cleanup(func() { _ = p.Close() })
	return p
}

func (r *reader) ended(p record.Partition, next int64) bool {
	r.t.Helper()
	got, err := r.src.AtEnd(r.t.Context(), map[record.Partition]record.Position{p: {Sub: next}})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(got) > 1 || len(got) == 1 && got[0] != p {
		r.t.Fatalf("proved %v, asked for %v", got, p)
	}
	return len(got) == 1
}

func TestAbortedRecordsAndMarkersAreNotDelivered(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	p := w.producer("tx-" + topic)
	w.must(p.BeginTxn())
	w.must(p.SendMessages(messages(topic, 0, 0, 50)))
	w.must(p.CommitTxn())
	for range 3 { // aborted, longer than the committed parts
		w.must(p.BeginTxn())
		w.must(p.SendMessages(messages(topic, 0, 9000, 9200)))
		w.must(p.AbortTxn())
	}
	w.must(p.BeginTxn())
	w.must(p.SendMessages(messages(topic, 0, 50, 80)))
	w.must(p.CommitTxn())
	w.must(p.BeginTxn())
	w.must(p.SendMessages(messages(topic, 0, 9000, 9010)))
	w.must(p.AbortTxn())
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	end, err := w.client.GetOffset(topic, 0, sarama.OffsetNewest)
	w.must(err)
	// The broker may write the last marker after it has answered: then more is passed than end, at once.
	r.until("all is passed", func() bool { return r.passed[name] >= end })
	r.check(name, 0, 80)
	last := r.order[79].Position.Sub
	if !r.ended(name, last) {
		t.Error("only aborted records and markers follow, but the end is not proved")
	}
	if r.ended(name, last-1) {
		t.Error("a record follows, but the end is proved")
	}
	if src := w.openGroup("other", nil, topic); src.Close() != nil {
		t.Error("close failed")
	}
}

func TestAnOpenTransactionHidesTheEnd(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 10)
	open := w.producer("open-" + topic)
	w.must(open.BeginTxn())
	w.must(open.SendMessages(messages(topic, 0, 10, 15)))
	w.produce(topic, 0, 15, 20) // behind it
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	r.records(10)
	r.nothing()
	if r.ended(name, 10) {
		t.Error("an open transaction follows, but the end is proved")
	}
	w.must(open.CommitTxn())
	r.records(20)
	r.check(name, 0, 20)
	w.eventually("the end is proved", func() bool { return r.ended(name, r.order[19].Position.Sub) })
}

func TestTheEndIsProvedAtTheEndOnly(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(3)
	w.produce(topic, 0, 0, 100)
	w.produce(topic, 2, 0, 100)
	w.must(w.admin.DeleteRecords(topic, map[int32]int64{2: 100}))
	r := read(t, w.open(nil, topic))
	p0, p1, p2 := r.partition(topic, 0), r.partition(topic, 1), r.partition(topic, 2)
	for next, want := range map[int64]bool{0: false, 1: false, 99: false, 100: true, 101: false} {
		if got := r.ended(p0, next); got != want {
			t.Errorf("position %d of 100: proved %v", next, got)
		}
	}
	if !r.ended(p1, 0) {
		t.Error("an empty partition has no proved end")
	}
	if !r.ended(p2, 0) {
		t.Error("a partition that was emptied before anything was read has no proved end")
	}
	if r.ended(p2, 50) {
		t.Error("records between our position and the log's start are gone: nothing is proved")
	}
	again := p0
	again.Epoch = "AAAAAAAAAAAAAAAAAAAAAA"
	if r.ended(again, 100) {
		t.Error("the end of a topic that is no more was proved")
	}
}
