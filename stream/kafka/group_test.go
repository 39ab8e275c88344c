package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

// background lets r read until the test ends it, and returns what it saw of the group.
func (r *reader) background() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		for {
			if err := r.step(ctx); err != nil {
				done <- err
				return
			}
		}
	}()
	return func() {
		cancel()
		if err := <-done; ctx.Err() == nil {
			r.t.Error(err)
		}
	}
}

func TestLanesAreSharedOutAndHandedOver(t *testing.T) {
	w := onKafka(t)
	a, b := w.topic(4), w.topic(4)
	quick := &kafka.Options{SessionTimeout: 2 * time.Second}
	r1 := read(t, w.openGroup("share-"+a, quick, a, b))
	r1.until("all lanes", func() bool { return len(r1.lanes) == 4 })
	r2 := read(t, w.openGroup("share-"+a, quick, a, b))
	stop := r2.background()
	begin := time.Now()
	r1.until("half of the lanes", func() bool { return r1.revoked == 4 && len(r1.lanes) == 2 })
	t.Logf("the hand-over took %v", time.Since(begin))
	for lane, parts := range r1.lanes {
		if len(parts) != 2 || parts[0].ID != lane || parts[1].ID != lane {
			t.Errorf("lane %s has %v, want partition %s of both topics", lane, parts, lane)
		}
	}
	w.eventually("the other half", func() bool { return len(r2.eventsNow()) == 2 })
	stop()
	lanes := 0
	for lane := range r2.lanes {
		lanes++
		if r1.lanes[lane] != nil {
			t.Errorf("both have lane %s", lane)
		}
	}
	if lanes != 2 {
		t.Errorf("the second has %d lanes, want 2", lanes)
	}
	w.must(r2.src.Close())
	r1.until("all lanes again", func() bool { return len(r1.lanes) == 4 && r1.revoked >= 6 })
}

func TestARevokedLaneIsKeptUntilTheEngineHasLetGo(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(2)
	opts := &kafka.Options{SessionTimeout: 2 * time.Second}
	s1 := w.openGroup("keep-"+topic, opts, topic)
	r1 := read(t, s1)
	r1.until("both lanes", func() bool { return len(r1.lanes) == 2 })
	r2 := read(t, w.openGroup("keep-"+topic, opts, topic))
	stop := r2.background()
	defer stop()
	r1.until("revoked", func() bool { return r1.revoked == 2 })
	// Longer than the session: heartbeats must go on while the engine commits.
	<-time.After(3 * time.Second)
	if !slices.Equal(r2.eventsNow(), nil) {
		t.Fatalf("lanes were given away before the engine had let go of them: %v", r2.eventsNow())
	}
	r1.until("one lane", func() bool { return len(r1.lanes) == 1 })
}

func TestPartitionsAddedAtRunTimeAreRead(t *testing.T) {
	w := onKafka(t)
	topic := w.topic(1)
	r := read(t, w.open(&kafka.Options{Refresh: 200 * time.Millisecond}, topic))
	r.until("one lane", func() bool { return len(r.lanes) == 1 })
	w.must(w.admin.CreatePartitions(topic, 3, nil, false))
	r.until("three lanes", func() bool { return len(r.lanes) == 3 })
	_ = w.client.RefreshMetadata(topic)
	w.produce(topic, 2, 0, 10)
	r.records(10)
	r.check(r.partition(topic, 2), 0, 10)
}

func TestTopicsThatBecomeUnevenStopTheJob(t *testing.T) {
	w := onKafka(t)
	a, b := w.topic(1), w.topic(1)
	r := read(t, w.open(&kafka.Options{Refresh: 200 * time.Millisecond}, a, b))
	r.until("one lane", func() bool { return len(r.lanes) == 1 })
	w.must(w.admin.CreatePartitions(a, 2, nil, false))
	t.Logf("said: %v", r.failure())
}

func TestTopicsThatComeToMatchAreRead(t *testing.T) {
	w := onKafka(t)
	prefix := fmt.Sprintf("m%d", time.Now().UnixNano())
	src := w.openGroup(prefix, &kafka.Options{Separate: true, Refresh: 200 * time.Millisecond}, "^"+prefix+"-.*")
	r := read(t, src)
	stop := r.background()
	w.create(prefix+"-a", 2)
	w.create(prefix+"-b", 1)
	w.create("x"+prefix+"-c", 1)
	stop2 := func() bool { stop(); ok := len(r.lanes) == 3; stop = r.background(); return ok }
	w.eventually("three lanes", stop2)
	stop()
	names := make([]string, 0, 3)
	for lane := range r.lanes {
		names = append(names, lane)
	}
	slices.Sort(names)
	if want := []string{prefix + "-a/0", prefix + "-a/1", prefix + "-b/0"}; !slices.Equal(names, want) {
		t.Errorf("lanes are %q, want %q", names, want)
	}
	if got := src.Info().Topics; !slices.Equal(got, []string{"^" + prefix + "-.*"}) {
		t.Errorf("topics of the job are %q", got)
	}
}

func TestABrokerThatIsKilledAndComesBackCostsNothing(t *testing.T) {
	k := servertest.Kafka(t, &servers.KafkaOptions{Brokers: 3})
	w := at(t, k.Brokers())
	topic := w.topic(4)
	opts := &kafka.Options{SessionTimeout: 6 * time.Second, Timeout: 3 * time.Second}
	r := read(t, w.open(opts, topic))
	r.from = func(p record.Partition) driver.Progress { // like a ledger: goes on after what was read
		if recs := r.got[p]; len(recs) > 0 {
			return driver.Progress{UpTo: recs[len(recs)-1].Position}
		}
		return driver.Progress{}
	}
	n := 0
	round := func() {
		t.Helper()
		for part := range int32(4) {
			w.produce(topic, part, n, n+100)
		}
		n += 100
		r.records(4 * n)
	}
	round()
	for i := range 3 {
		k.Kill(i)
		begin := time.Now()
		round()
		t.Logf("broker %d killed: the next records took %v", i, time.Since(begin))
		w.must(k.Restart(t.Context(), i))
		round()
	}
	for part := range 4 {
		r.check(r.partition(topic, part), 0, n)
	}
}
