package record

import (
	"cmp"
	"strconv"
)

// Partition names one ordered log: a Kafka partition, a Kinesis shard or a file. It is comparable with ==.
type Partition struct {
	// Source is the cluster and topic, the stream's ARN, or the name of a set of files.
	Source string

	// Epoch is the topic ID or the stream's creation time, so that a topic made again under its old name is another
	// partition.
	Epoch string

	// ID is "17", "shardId-000000000017" or a file's path.
	ID string
}

// String returns source/ID@epoch, each quoted if it holds anything but plain characters, so that it is safe in a log.
func (p Partition) String() string {
	s := plain(p.Source) + "/" + plain(p.ID)
	if p.Epoch != "" {
		s += "@" + plain(p.Epoch)
	}
	return s
}

func plain(s string) string {
	for _, r := range s {
		if r <= ' ' || r == '"' || r == 0x7f || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// Compare orders partitions by source, epoch and ID. It only matters that the order is the same everywhere.
func (p Partition) Compare(q Partition) int {
	return cmp.Or(cmp.Compare(p.Source, q.Source), cmp.Compare(p.Epoch, q.Epoch), cmp.Compare(p.ID, q.ID))
}

// Position is the place of a record in its partition. It is comparable with ==; Compare orders the positions of one
// partition. The zero Position is before the first record. Ledgers store the last position consumed, never "the next
// one", because a Kinesis sequence number has no successor.
type Position struct {
	// Seq is a Kinesis sequence number, decimal without leading zeros. It is empty where positions are plain numbers.
	Seq string

	// Sub is, for Kafka, the offset + 1; for a file the number of the line at which the record begins, from 1; for Kinesis
	// 1 + the index in an aggregate.
	Sub int64
}

// Compare returns -1, 0 or +1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(len(p.Seq), len(q.Seq)), cmp.Compare(p.Seq, q.Seq), cmp.Compare(p.Sub, q.Sub))
}

// IsZero reports whether p is before the first record.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the position as sources print it: "41", or "<sequence>/3".
func (p Position) String() string {
	if p.Seq == "" {
		return strconv.FormatInt(p.Sub, 10)
	}
	return p.Seq + "/" + strconv.FormatInt(p.Sub, 10)
}

// After is Compare(q) > 0, fast where positions are plain numbers.
func (p Position) After(q Position) bool {
	if p.Seq == "" && q.Seq == "" {
		return p.Sub > q.Sub
	}
	return p.Compare(q) > 0
}
