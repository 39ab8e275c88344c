package kafka_test

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

func TestAcknowledgedPositionsAreTheGroupsOffsets(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(2)
	w.produce(topic, 0, 0, 100)
	w.produce(topic, 1, 0, 100)
	r := read(t, w.open(nil, topic))
	r.records(200)
	offset := func(part int32) int64 {
		res, err := w.admin.ListConsumerGroupOffsets("g-"+topic, map[string][]int32{topic: {0, 1}})
		w.must(err)
		return res.GetBlock(topic, part).Offset
	}
	if n := offset(0); n != -1 {
		t.Errorf("offset %d is committed before anything was acknowledged", n)
	}
	w.must(r.src.Ack(t.Context(), map[record.Partition]record.Position{r.partition(topic, 0): {Sub: 60}}))
	if a, b := offset(0), offset(1); a != 60 || b != -1 {
		t.Errorf("offsets are %d and %d, want 60 and none", a, b)
	}
	other := r.partition(topic, 0)
	other.Epoch = "x"
	w.must(r.src.Ack(t.Context(), map[record.Partition]record.Position{other: {Sub: 90}}))
	if a := offset(0); a != 60 {
		t.Errorf("offset is %d after another topic's position", a)
	}
}

func TestLagCountsWhatIsNotDeliveredAndHowLongItIsKept(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1, "retention.ms", "3600000")
	w.produce(topic, 0, 0, 3000)
	src := w.open(&kafka.Options{FetchBytes: 16 << 10, Buffer: 16 << 10}, topic)
	if lag := src.Health().Lag; lag.Records > 0 {
		t.Errorf("lag is %+v before anything was asked", lag)
	}
	r := read(t, src)
	r.records(1)
	if lag := src.Health().Lag; lag.Records <= 0 || lag.Records >= 3000 {
		t.Errorf("lag is %+v after %d of 3000 records", lag, len(r.order))
	}
	r.records(3000)
	w.eventually("no lag", func() bool { return src.Health().Lag.Records == 0 })
	if d := src.Health().Lag.Retention; d < 50*time.Minute || d > time.Hour {
		t.Errorf("the oldest record is kept for %v more", d)
	}
	w.must(src.Ack(t.Context(), map[record.Partition]record.Position{r.partition(topic, 0): {Sub: 3000}}))
	if d := src.Health().Lag.Retention; d != 0 {
		t.Errorf("all is committed, and the oldest record is kept for %v more", d)
	}
}

// behindProxy is a broker that clients reach through a proxy only.
func behindProxy(t *testing.T, o servers.KafkaOptions) (*servers.Toxiproxy, *world) {
	t.Helper()
	proxy := servertest.Toxiproxy(t)
	o.Advertise = func(port int) (int, error) { return proxy.Proxy(t.Context(), "kafka", port) }
	return proxy, at(t, servertest.Kafka(t, &o).Brokers())
}

func TestASilentBrokerIsReportedAndReadAgainWhenItIsBack(t *testing.T) {
	proxy, w := behindProxy(t, servers.KafkaOptions{})
	topic := w.topic(1)
	w.produce(topic, 0, 0, 10)
	o := &kafka.Options{Timeout: time.Second, Stall: 2 * time.Second, SessionTimeout: 30 * time.Second}
	r := read(t, w.open(o, topic))
	r.records(10)
	w.must(proxy.Toxic(t.Context(), "kafka", "timeout", "downstream", map[string]int{"timeout": 0})) // a black hole
	stop := r.background()
	var stall *kafka.StallError
	w.eventually("the stall is reported", func() bool { return errors.As(r.src.Health().Stalled, &stall) })
	if !strings.Contains(stall.What, topic) && !strings.Contains(stall.What, "group") {
		t.Errorf("it names %q", stall.What)
	}
	if got, err := r.src.AtEnd(t.Context(), map[record.Partition]record.Position{}); len(got) > 0 {
		t.Errorf("proved %v, %v", got, err)
	}
	w.must(proxy.Reset(t.Context()))
	w.produce(topic, 0, 10, 20)
	stop()
	r.from = func(record.Partition) driver.Progress { // the session may have been lost
		return driver.Progress{UpTo: record.Position{Sub: int64(len(r.order))}}
	}
	r.records(20)
	r.check(r.partition(topic, 0), 0, 20)
	w.eventually("all is well", func() bool { return r.src.Health().Stalled == nil })
}

func TestAStallThatDoesNotEndStopsTheJob(t *testing.T) {
	proxy, w := behindProxy(t, servers.KafkaOptions{})
	topic := w.topic(1)
	w.produce(topic, 0, 0, 10)
	o := &kafka.Options{Timeout: 500 * time.Millisecond, Stall: time.Second, GiveUp: 4 * time.Second, SessionTimeout: 30 * time.Second}
	r := read(t, w.open(o, topic))
	r.records(10)
	w.must(proxy.Enable(t.Context(), "kafka", false))
	var stall *kafka.StallError
	if err := r.failure(); !errors.As(err, &stall) {
		t.Errorf("got %v", err)
	} else {
		t.Logf("said: %v", err)
	}
}

func TestTheNearestReplicaIsRead(t *testing.T) {
	servertest.Need(t)
	k := servertest.Kafka(t, &servers.KafkaOptions{Brokers: 3, Properties: map[string]string{
		"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
	}, Racks: true})
	w := at(t, k.Brokers())
	topic := w.topic(1)
	w.produce(topic, 0, 0, 100)
	leader, err := w.client.Leader(topic, 0)
	w.must(err)
	near := leader.ID()%3 + 1
	var log syncBuffer
	r := read(t, w.open(&kafka.Options{Rack: rack(near), Logger: debugLog(&log)}, topic))
	r.records(100)
	w.produce(topic, 0, 100, 200)
	r.records(200)
	r.check(r.partition(topic, 0), 0, 200)
	if want := "broker=" + strconv.Itoa(int(near)); !strings.Contains(log.String(), want) {
		t.Errorf("the replica in our rack, %s, was not read:\n%s", want, log.String())
	}
	k.Kill(int(near) - 1)
	w.produce(topic, 0, 200, 300)
	r.from = func(record.Partition) driver.Progress {
		return driver.Progress{UpTo: record.Position{Sub: int64(len(r.order))}}
	}
	r.records(300)
	r.check(r.partition(topic, 0), 0, 300)
}

// rack is what servers.KafkaOptions.Racks calls the rack of a broker.
func rack(broker int32) string { return "rack-" + strconv.Itoa(int(broker)) }

func TestCloseLeavesNothingBehind(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	w.produce(topic, 0, 0, 10)
	for range 2 { // the first time starts what the client library keeps for ever
		src := w.open(nil, topic)
		r := read(t, src)
		r.records(10)
		_, err := src.AtEnd(t.Context(), map[record.Partition]record.Position{r.partition(topic, 0): {Sub: 10}})
		w.must(err)
		w.must(src.Close())
	}
	w.eventually("no goroutine of ours is left", func() bool {
		buf := make([]byte, 1<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "onceflow/stream/kafka.") || strings.Contains(g, "onceflow/stream/kafka/internal") {
				return false
			}
		}
		return true
	})
}
