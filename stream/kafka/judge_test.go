package kafka

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// emptyBatch is a batch without the bytes of its records, which no proof looks at.
func emptyBatch(first, last int64, attr uint16, n uint32) []byte {
	const size = 61
	b := binary.BigEndian.AppendUint64(nil, uint64(first))
	b = binary.BigEndian.AppendUint32(b, size-12)
	b = append(b, 0, 0, 0, 1, 2, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, attr)
	b = binary.BigEndian.AppendUint32(b, uint32(last-first))
	b = append(b, make([]byte, 16)...)
	b = binary.BigEndian.AppendUint64(b, 42) // producer
	b = append(b, make([]byte, 6)...)
	b = binary.BigEndian.AppendUint32(b, n)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

const (
	txnRecords = 0x10
	marker     = 0x30
)

// T17, T18: what a leader's answer proves about the end of its log.
func TestWhatProvesTheEndOfALog(t *testing.T) {
	aborted := []wire.Aborted{{Producer: 42, First: 10}}
	for name, c := range map[string]struct {
		stable, high int64
		data         []byte
		aborted      []wire.Aborted
		proved       bool
	}{
		"nothing follows":                     {10, 10, nil, nil, true},
		"a record follows":                    {11, 11, emptyBatch(10, 10, 0, 1), nil, false},
		"a transaction is open":               {10, 12, nil, nil, false},
		"a marker is the last":                {11, 11, emptyBatch(10, 10, marker, 1), nil, true},
		"aborted records and their marker":    {14, 14, append(emptyBatch(10, 12, txnRecords, 3), emptyBatch(13, 13, marker, 1)...), aborted, true},
		"committed records and their marker":  {14, 14, append(emptyBatch(10, 12, txnRecords, 3), emptyBatch(13, 13, marker, 1)...), nil, false},
		"what compaction left of a batch":     {11, 11, emptyBatch(10, 10, 0, 0), nil, true},
		"something follows that was not sent": {12, 12, emptyBatch(10, 10, marker, 1), nil, false},
		"the log was cut off below us":        {9, 9, nil, nil, false},
	} {
		cl := &claim{topic: &topic{name: "t"}, next: 10}
		(&prover{}).judge(context.Background(), "", cl, &wire.Part{
			LastStable: c.stable, HighWatermark: c.high, Preferred: -1, Data: c.data, Aborted: c.aborted,
		})
		if cl.proved != c.proved {
			t.Errorf("%s: proved is %v, want %v", name, cl.proved, c.proved)
		}
	}
}

// T21: a topic that was made again under its name has other partitions, which begin at their beginning.
func TestATopicMadeAgainHasOtherPartitions(t *testing.T) {
	v := &view{cluster: "kafka:c"}
	old, again := &topic{name: "t", id: [16]byte{1}}, &topic{name: "t", id: [16]byte{2}}
	if p, q := v.partition(old, 3), v.partition(again, 3); p == q {
		t.Errorf("both are %v", p)
	}
}

// T10: of several topics partition i must come to one member, or equal keys meet in no lane.
func TestPartitionsOfALaneComeToOneMember(t *testing.T) {
	topics := map[string][]int32{"a": {0, 1, 2, 3, 4}, "b": {0, 1, 2, 3, 4}}
	members := map[string]sarama.ConsumerGroupMemberMetadata{}
	for _, m := range []string{"x", "y", "z"} {
		members[m] = sarama.ConsumerGroupMemberMetadata{Topics: []string{"a", "b"}}
	}
	plan, err := strategies(false)[0].Plan(members, topics)
	if err != nil {
		t.Fatal(err)
	}
	for m, got := range plan {
		if !slices.Equal(got["a"], got["b"]) {
			t.Errorf("%s has partitions %d of one topic and %d of the other", m, got["a"], got["b"])
		}
	}
}
