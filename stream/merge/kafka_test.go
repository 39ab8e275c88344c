package merge_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/merge"
)

var shared servertest.Shared

// topic makes one on a cluster.
func topic(t testing.TB, brokers []string, parts int32) string {
	t.Helper()
	name := fmt.Sprintf("m%d", time.Now().UnixNano())
	admin, err := sarama.NewClusterAdmin(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	never := "-1"
	if err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: parts, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &never}}, false); err != nil {
		t.Fatal(err)
	}
	return name
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max = 50
	c.Metadata.Retry.Max = 20
	c.Producer.Flush.MaxMessages = 100
	return c
}

// produce writes records n to m-1 to each partition, a step of time apart.
func produce(t testing.TB, brokers []string, topic string, parts int32, at time.Time, step time.Duration, n, m int) {
	t.Helper()
	p, err := sarama.NewSyncProducer(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all []*sarama.ProducerMessage
	for i := n; i < m; i++ {
		for part := range parts {
			all = append(all, &sarama.ProducerMessage{
				Topic: topic, Partition: part, Timestamp: at.Add(time.Duration(i) * step), Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder(fmt.Sprint(i)),
				Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: fmt.Append(nil, i)}},
			})
		}
	}
	if err := p.SendMessages(all); err != nil {
		t.Fatal(err)
	}
}

func openKafka(t testing.TB, naming, other, a, b string, brokersOf map[string][]string, ko *kafka.Options, o *merge.Options) *merge.Source {
	t.Helper()
	first, err := kafka.Open(t.Context(), kafka.Config{Brokers: brokersOf[naming], Group: "g-" + a, Topics: []string{a}}, ko)
	if err != nil {
		t.Fatal(err)
	}
	second, err := kafka.OpenGiven(t.Context(), kafka.Config{Brokers: brokersOf[other], Topics: []string{b}}, ko)
	if err != nil {
		t.Fatal(err)
	}
	src, err := merge.Open(t.Context(), naming, first, map[string]merge.Given{other: second}, o)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// until reads until ok.
func (r *reading) until(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	for !ok() {
		if err := r.step(ctx); err != nil {
			r.t.Fatalf("%s: %v; %d records have come; stalled: %v", what, err, len(r.got), r.src.Health().Stalled)
		}
	}
}

func TestTwoTopicsOfOneClusterAreMerged(t *testing.T) {
	brokers := shared.Kafka(t).Brokers()
	a, b := topic(t, brokers, 2), topic(t, brokers, 2)
	produce(t, brokers, a, 2, t0, 20*time.Millisecond, 0, 3000)
	produce(t, brokers, b, 2, t0, 50*time.Millisecond, 0, 1000) // ends earlier
	r := read(t, openKafka(t, "a", "b", a, b, map[string][]string{"a": brokers, "b": brokers}, nil, nil))
	r.until("all records", func() bool { return len(r.got) == 8000 })
	if err := sorted(r.got); err != nil {
		t.Error(err)
	}
	for i := range r.got {
		if c := &r.got[i]; string(c.Key) != "k" || len(c.Headers) != 1 || string(c.Headers[0].Value) != string(c.Value) {
			t.Fatalf("record %d is %q with the headers %v", i, c.Value, c.Headers)
		}
	}
}

// The cluster whose group names the lanes is away for a while.
func TestTheOtherSideGoesOnWhileTheNamingClusterIsAway(t *testing.T) {
	k := servertest.Kafka(t, nil)
	brokers := map[string][]string{"eu": k.Brokers(), "us": shared.Kafka(t).Brokers()}
	a, b := topic(t, brokers["eu"], 1), topic(t, brokers["us"], 1)
	log := &strings.Builder{}
	ko := &kafka.Options{SessionTimeout: 6 * time.Second, Timeout: time.Second, Stall: time.Second}
	src := openKafka(t, "eu", "us", a, b, brokers, ko, &merge.Options{Patience: 2 * time.Second, Logger: slog.New(slog.NewTextHandler(log, nil))})
	r := read(t, src)
	begin := time.Now().Add(-time.Hour)
	produce(t, brokers["eu"], a, 1, begin, time.Second, 0, 100)
	produce(t, brokers["us"], b, 1, begin, time.Second, 0, 100)
	r.until("what both have", func() bool { return len(r.got) == 200 })
	if err := sorted(r.got); err != nil {
		t.Error(err)
	}
	k.Kill(0)
	produce(t, brokers["us"], b, 1, begin, time.Second, 100, 200)
	r.until("what the other has", func() bool { return len(r.got) == 300 })
	away := func() bool {
		err := src.Health().Stalled
		return err != nil && strings.Contains(err.Error(), "group g-"+a)
	}
	for i := 200; !away(); i++ { // the session ends
		produce(t, brokers["us"], b, 1, begin, time.Second, i, i+1)
		r.until("one more", func() bool { return len(r.got) == 100+i+1 })
	}
	before := len(r.got)
	if want := "+eu=0"; strings.Join(r.told, "") != want {
		t.Errorf("told %q, want that the lane stays", r.told)
	}
	if err := k.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	r.until("the group has shared its lanes out again", func() bool { return strings.Join(r.told, "") == "+eu=0-eu=0+eu=0" })
	produce(t, brokers["eu"], a, 1, begin, time.Second, 100, 200)
	r.until("what the naming side has", func() bool { return len(r.got) == before+100 })
	if n := src.Counts(); n["eu"].Without < 100 || n["eu"].Records != 200 || strings.Count(log.String(), "go on without a side") != 1 {
		t.Errorf("counts are %+v; the log has\n%s", n, log)
	}
	seen := map[string]bool{}
	for _, c := range r.got {
		if id := c.Partition.Source + string(c.Value); seen[id] {
			t.Errorf("%s came twice", id)
		} else {
			seen[id] = true
		}
	}
}
