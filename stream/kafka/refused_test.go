package kafka_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

// The group's offsets are advice: a coordinator that refuses them, whatever it says and for however long, while heartbeats
// pass, ends no session, and what is read goes on where it was.
func TestOffsetsThatAreRefusedStopNothing(t *testing.T) {
	f := &refuser{}
	w := at(t, behind(t, f.join))
	topic := w.topic(1)
	r := read(t, w.open(&kafka.Options{SessionTimeout: 2 * time.Second}, topic))
	name, n := r.partition(topic, 0), 0
	ack := func() {
		t.Helper()
		w.produce(topic, 0, n, n+10)
		n += 10
		r.records(n)
		w.must(r.src.Ack(t.Context(), map[record.Partition]record.Position{name: {Sub: int64(n)}}))
	}
	offset := func() int64 {
		res, err := w.admin.ListConsumerGroupOffsets("g-"+topic, map[string][]int32{topic: {0}})
		w.must(err)
		return res.GetBlock(topic, 0).Offset
	}
	ack()
	if got := offset(); got != int64(n) {
		t.Fatalf("offset %d is committed before anything is refused, want %d", got, n)
	}
	for i, code := range []sarama.KError{
		sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrRebalanceInProgress, sarama.ErrNotCoordinatorForConsumer,
		sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrOffsetsLoadInProgress, sarama.ErrRequestTimedOut,
		sarama.ErrGroupAuthorizationFailed, sarama.ErrUnknownTopicOrPartition, sarama.ErrOffsetMetadataTooLarge,
	} {
		f.code.Store(int32(code))
		ack()
		if got := f.refused.Load(); got != int64(i+1) {
			t.Errorf("%v: %d commits were refused, want %d: each is sent once", code, got, i+1)
		}
	}
	f.code.Store(0)
	ack()
	if got := offset(); got != int64(n) {
		t.Errorf("offset %d is committed when nothing is refused any more, want %d", got, n)
	}
	r.check(name, 0, n)
	if events := r.eventsNow(); len(events) != 1 || r.src.Health().Stalled != nil {
		t.Errorf("the group said %q, and it is stalled with %v; want one assignment", events, r.src.Health().Stalled)
	}
}

const keyOffsetCommit = 8

// refuser forwards connections to a broker and puts a code into the answers to commits of offsets. The broker has made
// them all the same, as it may have when its answer is an error.
type refuser struct {
	code    atomic.Int32
	refused atomic.Int64
}

func (f *refuser) join(client, broker net.Conn) {
	var commits sync.Map // correlations of commits on this connection
	go frames(client, broker, func(b []byte) {
		if binary.BigEndian.Uint16(b) == keyOffsetCommit {
			commits.Store(binary.BigEndian.Uint32(b[4:]), true)
		}
	})
	go frames(broker, client, func(b []byte) {
		if _, ok := commits.LoadAndDelete(binary.BigEndian.Uint32(b)); ok && f.code.Load() != 0 {
			// The answer, of one topic and partition, ends with its code.
			binary.BigEndian.PutUint16(b[len(b)-2:], uint16(f.code.Load()))
			f.refused.Add(1)
		}
	})
}

// frames forwards messages, each of which change may look at and change.
func frames(from, to net.Conn, change func([]byte)) {
	defer from.Close()
	defer to.Close()
	for {
		b := make([]byte, 4)
		if _, err := io.ReadFull(from, b); err != nil {
			return
		}
		b = append(b, make([]byte, binary.BigEndian.Uint32(b))...)
		if _, err := io.ReadFull(from, b[4:]); err != nil {
			return
		}
		change(b[4:])
		if _, err := to.Write(b); err != nil {
			return
		}
	}
}
