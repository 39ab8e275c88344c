package kafka_test

import (
	"maps"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// The group's offsets tell a ledger that lost commits, if they are of that ledger: a new job may come with a group that
// another program, or a job before it, has used.
func TestOffsetsTellOnlyTheirOwnLedger(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(2)
	w.produce(topic, 0, 0, 20)
	r := read(t, w.open(nil, topic))
	first, second := r.partition(topic, 0), r.partition(topic, 1)
	r.records(20)
	w.must(r.src.Begin(t.Context(), driver.Ledger{Signature: "onceflow job token1"}))
	acked := func(sign string) map[record.Partition]record.Position {
		t.Helper()
		w.must(r.src.Begin(t.Context(), driver.Ledger{Signature: sign}))
		at, err := r.src.Acked(t.Context(), []record.Partition{first, second})
		w.must(err)
		return at
	}
	if got := acked("onceflow job token1"); len(got) != 0 {
		t.Errorf("before anything was told: %v", got)
	}
	w.must(r.src.Ack(t.Context(), map[record.Partition]record.Position{first: {Sub: 17}}))
	want := map[record.Partition]record.Position{first: {Sub: 17}}
	if got := acked("onceflow job token1"); !maps.Equal(got, want) {
		t.Errorf("of its own ledger: %v, want %v", got, want)
	}
	for _, other := range []string{"onceflow job token2", "onceflow job", ""} {
		if got := acked(other); len(got) != 0 {
			t.Errorf("of the ledger %q: %v, want nothing", other, got)
		}
	}
	w.must(r.src.Begin(t.Context(), driver.Ledger{Signature: "onceflow job token1"}))
	made := first
	made.Epoch = "another"
	if got, err := r.src.Acked(t.Context(), []record.Partition{made}); err != nil || len(got) != 0 {
		t.Errorf("of a topic that was made again: %v, %v, want nothing", got, err)
	}
}
