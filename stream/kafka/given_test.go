package kafka_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func (w *world) openGiven(t testing.TB, o *kafka.Options, topics ...string) *kafka.Given {
	t.Helper()
	g, err := kafka.OpenGiven(t.Context(), kafka.Config{Brokers: w.brokers, Topics: topics}, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestASourceWithoutAGroupKeepsToTheContract(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(3, "retention.ms", "-1")
	for part := range int32(3) {
		w.produce(topic, part, 0, 40)
	}
	streamtest.RunSource(t, func(t *testing.T) driver.Source {
		g := w.openGiven(t, nil, topic)
		g.Give([]string{"0", "1", "2"})
		return g
	})
}

// Who gives lanes may change them at any time; those that stay go on where they are.
func TestLanesComeAndGoAsTheyAreGiven(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(2)
	g := w.openGiven(t, &kafka.Options{Refresh: 200 * time.Millisecond}, topic)
	t.Cleanup(func() { _ = g.Close() })
	r := read(t, g.Source)
	for part := range int32(2) {
		w.produce(topic, part, 0, 10)
	}
	r.nothing()
	g.Give([]string{"1"})
	r.records(10)
	r.check(r.partition(topic, 1), 0, 10)
	g.Give([]string{"0", "1", "2", "no number"})
	r.records(20)
	w.must(w.admin.CreatePartitions(topic, 3, nil, false))
	r.until("the new partition", func() bool { return r.lanes["2"] != nil })
	if r.revoked > 0 {
		t.Error("a lane was revoked")
	}
	g.Give([]string{"2"})
	r.until("two lanes fewer", func() bool { return r.revoked == 2 })
	for part := range int32(3) {
		w.eventually("the partition is known", func() bool {
			_ = w.client.RefreshMetadata(topic)
			b, err := w.client.Leader(topic, part)
			return err == nil && b != nil
		})
		w.produce(topic, part, 10, 20)
	}
	r.records(30)
	r.nothing()
	if want := []string{"assigned 1", "assigned 0", "assigned 2", "revoked 0", "revoked 1"}; !slices.Equal(r.eventsNow(), want) {
		t.Errorf("told %q, want %q", r.eventsNow(), want)
	}
	if acked, err := g.Acked(t.Context(), nil); acked != nil || err != nil {
		t.Errorf("got %v, %v; want nothing, since there is no group", acked, err)
	}
}

func TestAGroupIsForWhoeverNeedsOne(t *testing.T) {
	c := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Topics: []string{"t"}, Group: "g"}
	if _, err := kafka.OpenGiven(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), `the Group "g"`) {
		t.Errorf("got %v, want a word about the group", err)
	}
	c.Group = ""
	if _, err := kafka.Open(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "no Group") {
		t.Errorf("got %v, want a word about the group", err)
	}
}
