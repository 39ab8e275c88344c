package kafka_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

// A replica that had fallen behind is made leader, since the topic allows that: other records take the offsets of those
// that we have read, and more, so that no offset looks wrong. The leader tells by the epoch of what we read last.
func TestALogThatWasReplacedByALongerOneIsLost(t *testing.T) {
	r, name := replaced(t, false)
	r.lost(name, 100, 200)
	if len(r.order) > 200 || r.revoked > 0 {
		t.Errorf("%d records of the other log came behind ours; %d lanes were revoked meanwhile", len(r.order)-200, r.revoked)
	}
}

// The same between two runs once was not noticed: the second one went on in the middle of the other log.
func TestALogThatWasReplacedBetweenTwoRunsIsLost(t *testing.T) {
	r, name := replaced(t, true)
	r.lost(name, 100, 200)
	if len(r.order) > 0 {
		t.Errorf("%d records of the other log came", len(r.order))
	}
}

// replaced reads 200 records of a partition whose log then is another one of 350, of which the first 100 are the same. With
// anew its reader is one that was opened afterwards, with the progress that a ledger would have.
func replaced(t *testing.T, anew bool) (*reader, record.Partition) {
	t.Helper()
	servertest.Need(t)
	k := servertest.Kafka(t, &servers.KafkaOptions{Brokers: 3})
	w := at(t, k.Brokers())
	unclean, one := "true", "1"
	topic := "unclean"
	w.must(w.admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: map[int32][]int32{0: {1, 2}}, // broker 3 only votes
		ConfigEntries: map[string]*string{"unclean.leader.election.enable": &unclean, "min.insync.replicas": &one},
	}, false))
	inSync := func(want ...int32) func() bool {
		return func() bool {
			_ = w.client.RefreshMetadata(topic)
			leader, err := w.client.Leader(topic, 0)
			isr, isrErr := w.client.InSyncReplicas(topic, 0)
			slices.Sort(isr)
			return err == nil && isrErr == nil && leader.ID() == want[0] && slices.Equal(isr, want)
		}
	}
	w.eventually("both replicas are in sync", inSync(1, 2))
	w.produce(topic, 0, 0, 100)
	group, o := w.coordinatedBy(3), &kafka.Options{Timeout: 2 * time.Second, SessionTimeout: 30 * time.Second}
	src := w.openGroup(group, o, topic)
	r := read(t, src)
	r.records(100)
	k.Kill(1)
	w.eventually("the leader is alone", inSync(1))
	w.produce(topic, 0, 100, 200)
	r.records(200)
	name := r.partition(topic, 0)
	r.check(name, 0, 200)

	progress := driver.Progress{UpTo: r.order[199].Position, Mark: r.marks[name]}
	if anew {
		w.must(src.Close())
	}
	k.Kill(0)
	w.must(k.Restart(t.Context(), 1))
	w.eventually("the other replica leads", inSync(2))
	w.produce(topic, 0, 1000, 1250) // its log ends at 350 now
	if anew {
		r = read(t, w.openGroup(group, o, topic))
		r.from = func(record.Partition) driver.Progress { return progress }
	}
	return r, name
}

// coordinatedBy names a group whose coordinator is a broker.
func (w *world) coordinatedBy(broker int32) (group string) {
	w.t.Helper()
	n := 0
	w.eventually("a group has that coordinator", func() bool {
		n++
		group = fmt.Sprintf("group-%d", n)
		b, err := w.client.Coordinator(group)
		return err == nil && b.ID() == broker
	})
	return group
}
