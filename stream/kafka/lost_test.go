package kafka_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

func (r *reader) lost(p record.Partition, from, to int64) {
	r.t.Helper()
	err := r.failure()
	var lost *kafka.LostError
	if !errors.Is(err, driver.ErrLost) || !errors.As(err, &lost) {
		r.t.Fatalf("got %v, want ErrLost", err)
	}
	if lost.Partition != p || lost.From != from || lost.To != to {
		r.t.Errorf("got %v: %d to %d, want %v: %d to %d", lost.Partition, lost.From, lost.To, p, from, to)
	}
	r.t.Logf("said: %v", err)
}

func TestRetentionPastOurPositionIsLost(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	w.must(w.admin.DeleteRecords(topic, map[int32]int64{0: 60}))
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	r.from = func(record.Partition) driver.Progress { return driver.Progress{UpTo: record.Position{Sub: 40}} }
	r.lost(name, 40, 60)
}

func TestRetentionUpToOurPositionLosesNothing(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	w.must(w.admin.DeleteRecords(topic, map[int32]int64{0: 60}))
	r := read(t, w.open(nil, topic))
	r.from = func(record.Partition) driver.Progress { return driver.Progress{UpTo: record.Position{Sub: 60}} }
	r.records(40)
	r.check(r.partition(topic, 0), 60, 100)
}

func TestANewPartitionBeginsWhereItsLogDoes(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	w.must(w.admin.DeleteRecords(topic, map[int32]int64{0: 60}))
	r := read(t, w.open(nil, topic))
	r.records(40)
	r.check(r.partition(topic, 0), 60, 100)
}

func TestAPendingRecordThatIsGoneIsLost(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	w.must(w.admin.DeleteRecords(topic, map[int32]int64{0: 60}))
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	r.from = func(record.Partition) driver.Progress {
		pending := driver.PendingSet{First: record.Position{Sub: 51}, Ordinals: []uint32{0, 20}, Through: 40}
		return driver.Progress{UpTo: record.Position{Sub: 90}, Pending: pending}
	}
	r.lost(name, 50, 60)
}

func TestAPendingPositionWithoutARecordIsLost(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	p := w.producer("pending-" + topic)
	for i := range 10 { // offsets 0 and 1 are a record and a marker, and so on
		w.must(p.BeginTxn())
		w.must(p.SendMessages(messages(topic, 0, i, i+1)))
		w.must(p.CommitTxn())
	}
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	r.from = func(record.Partition) driver.Progress {
		pending := driver.PendingSet{First: record.Position{Sub: 1}, Ordinals: []uint32{0, 4, 7}, Through: 19}
		return driver.Progress{UpTo: record.Position{Sub: 19}, Pending: pending}
	}
	r.lost(name, 7, 8)
}

func TestALogThatEndsBeforeOurPositionIsLost(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	r.from = func(record.Partition) driver.Progress { return driver.Progress{UpTo: record.Position{Sub: 140}} }
	r.lost(name, 100, 140)
}

func TestATopicMadeAgainIsLostWhileItIsRead(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	r := read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	r.records(100)
	w.must(w.admin.DeleteTopic(topic))
	w.eventually("the topic is made again", func() bool { return w.again(topic) })
	w.produce(topic, 0, 0, 300)
	r.lost(name, 100, -1)
	if len(r.order) > 100 {
		t.Errorf("%d records of the new topic came under the old one's name", len(r.order)-100)
	}
}

func TestATopicMadeAgainBetweenTwoRunsIsAnotherPartition(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	r := read(t, w.open(nil, topic))
	old := r.partition(topic, 0)
	r.records(100)
	w.must(r.src.Close())
	w.must(w.admin.DeleteTopic(topic))
	w.eventually("the topic is made again", func() bool { return w.again(topic) })
	w.produce(topic, 0, 0, 300)
	r = read(t, w.open(nil, topic))
	name := r.partition(topic, 0)
	if name == old {
		t.Fatalf("both topics have the name %v", name)
	}
	r.records(300) // from its first record on
	r.check(name, 0, 300)
	err := r.src.Start(t.Context(), driver.Start{Lane: "0", From: map[record.Partition]driver.Progress{
		name: {}, old: {UpTo: record.Position{Sub: 100}},
	}})
	if !errors.Is(err, driver.ErrLost) {
		t.Errorf("a lane with a partition that is gone began: %v", err)
	}
}

// again makes a topic whose deletion may not be over.
func (w *world) again(topic string) bool {
	if err := w.admin.CreateTopic(topic, detail(1), false); err != nil {
		return false
	}
	_ = w.client.RefreshMetadata(topic)
	return true
}

func TestAWarmUpBeginsAtItsTimeAndLeavesOutWhatIsPending(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	begin := time.Now().Add(-3 * time.Hour).Truncate(time.Millisecond)
	c := config()
	p, err := newProducer(w.brokers, c)
	w.must(err)
	for i := range 180 { // one a minute
		m := messages(topic, 0, i, i+1)
		m[0].Timestamp = begin.Add(time.Duration(i) * time.Minute)
		w.must(p.SendMessages(m))
	}
	w.must(p.Close())
	r := read(t, w.open(&kafka.Options{Skew: time.Minute}, topic))
	name := r.partition(topic, 0)
	r.warmup, r.warmFrom = 30*time.Minute, begin.Add(69*time.Minute)
	r.from = func(record.Partition) driver.Progress {
		return driver.Progress{
			UpTo: record.Position{Sub: 100}, MaxEventTime: begin.Add(99 * time.Minute),
			Pending: driver.PendingSet{First: record.Position{Sub: 91}, Ordinals: []uint32{0, 5}, Through: 10}, // offsets 90 and 95
		}
	}
	r.records(2 + 80)
	if len(r.warm) != 100-68-2 {
		t.Errorf("%d records to warm up, want offsets 68 to 99 without two", len(r.warm))
	}
	if n := r.warm[0].Position.Sub - 1; n != 68 {
		t.Errorf("warm-up begins at offset %d, want 68", n)
	}
	if a, b := r.order[0].Position.Sub-1, r.order[1].Position.Sub-1; a != 90 || b != 95 {
		t.Errorf("pending records are %d and %d, want 90 and 95", a, b)
	}
	r.got[name] = r.got[name][2:]
	r.check(name, 100, 180)
	if last := r.events[len(r.events)-1]; last != "warm 0" {
		t.Errorf("events are %q", r.events)
	}
}

func TestAWarmUpOfALaneThatIsNewIsOverAtOnce(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	r := read(t, w.open(nil, topic))
	r.warmup = time.Hour
	r.until("warm", func() bool { return len(r.events) == 2 })
	if r.events[1] != "warm 0" {
		t.Errorf("events are %q", r.events)
	}
}

// At the first start nothing is lost yet; at the first restart it would be.
func TestAWindowLongerThanTheTopicsRetentionIsRefusedAtOnce(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1, "retention.ms", "3600000")
	for warmup, want := range map[time.Duration]string{time.Hour: "", time.Hour + 1: "keeps records for 1h0m0s"} {
		r := read(t, w.open(nil, topic))
		r.warmup = warmup
		err := r.step(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("a warm-up of %s: got %v, want an error with %q", warmup, err, want)
		}
		_ = r.src.Close()
	}
}
