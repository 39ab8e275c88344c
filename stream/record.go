package stream

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Partition names one ordered log: a Kafka partition, a Kinesis shard or a file. It is comparable with ==.
type Partition struct {
	// Source is the cluster and topic, the stream's ARN, or the name of a set of files.
	Source string

	// Epoch is the topic ID or the stream's creation time: a topic made again under its old name is another partition.
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

// Compare orders partitions by source, epoch and ID. The order has no meaning but to be the same everywhere.
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

// Record is what a source gives. Its slices may share a buffer that the source uses again: they are read-only, and valid
// until the batch they came in has passed all stages and the rows of its finished records are written. What lives
// longer, because a stage holds it or works on it beside the lane, must own its bytes: Clone it, or let Decode copy.
type Record struct {
	Partition *Partition // shared by all records of the partition
	Position  Position
	Key       []byte // nil if the producer set none
	Value     []byte // nil for a tombstone
	Headers   []Header
	Time      time.Time // the broker's or producer's time, UTC; zero if there is none
}

// Clone returns a record that owns its bytes.
func (r *Record) Clone() Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return c
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Origin stands for the record that an event came from. It is opaque, costs 8 bytes, is valid only inside the lane that
// issued it and until its record is finished, and is comparable with ==. Copy it from the input event into what you
// make of it: that is how the engine knows when a record's effect is complete.
type Origin struct{ slot, gen uint32 }

// NewOrigin makes an origin for a test that drives a stage without the engine.
func NewOrigin(n uint32) Origin { return Origin{slot: n, gen: 1} }

// Event is a decoded record inside a job.
type Event[T any] struct {
	Value T

	// Time is the event time, UTC, set by Decode; without a Decode it is the record's. It alone chooses the output hour
	// and drives the clocks, so stages pass it on as it is.
	Time   time.Time
	Origin Origin
}

// Derive returns an event with the time and origin of e and another value.
func Derive[In, Out any](e *Event[In], v Out) Event[Out] { return Event[Out]{v, e.Time, e.Origin} }
