package driver

import (
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Progress is what the ledger knows of a partition.
type Progress struct {
	// UpTo is the last position consumed, inclusive. The zero Position is before the first record.
	UpTo record.Position

	// Pending are the positions at or below UpTo whose effect is not in the output yet.
	Pending PendingSet

	// PendingTime is the event time of the oldest pending record; zero if none is pending.
	PendingTime time.Time

	// MaxEventTime is the newest event time read, or the time of a proof that the log ends, with no tolerance subtracted;
	// zero before either. A time far ahead counts once it is confirmed. A record never moves MaxEventTime beyond the
	// output's clock.
	MaxEventTime time.Time

	// Jump is what waits to be confirmed. The zero Jump is none.
	Jump Jump

	// Watermark says that hours which end at or before it are complete for this partition. It is max(previous watermark,
	// min(MaxEventTime - lateness, PendingTime)), so it never goes back. An Output sets it; a Cut need not.
	Watermark time.Time

	// Arrived is a time by which all that had come into the log is consumed: the source's own time of the newest record, where
	// it is that at which the record came; what Batch.Arrivals say; or the time of the last proof that the log ends. A child
	// begins with its parent's. A source whose positions have gaps by nature detects losses to retention with it.
	Arrived time.Time

	// Mark is the source's fingerprint of the records up to UpTo, or up to a little before: see type Mark.
	Mark string

	// Ended means that no record will ever follow, and that nothing is held back for the log's sake.
	Ended bool

	// Children are the partitions that take the place of an ended one. They are set in the same step as Ended.
	Children []record.Partition
}

// Jump is a step of event time that is too long to be believed at once: times more than five minutes ahead of MaxEventTime,
// or the first times of a partition. Each further record that far ahead adds one to Records, each other record takes one
// away. At 16 MaxEventTime becomes To, at 0 the jump is forgotten. A proof that the log ends also ends the jump.
type Jump struct {
	To      time.Time // the smallest of these times
	Newest  time.Time // the greatest
	Records int       // how many records have confirmed it
}

// PendingSet is a set of positions at or below some upTo, compact enough for a ledger. Each has an ordinal; that of First
// is 0. Where positions are plain numbers (Seq is empty) an ordinal is the distance of Sub from First.Sub. Elsewhere
// positions have gaps by nature, so it counts the records that the source delivers from First on, with the unreadable ones.
// It is immutable.
type PendingSet struct {
	// First is the oldest pending position; the zero Position if nothing is pending.
	First record.Position

	// Ordinals are the pending records, ascending, the first being 0. Empty if nothing is pending.
	Ordinals []uint32

	// Through is the number of ordinals from First up to and including UpTo: the next record's ordinal.
	Through uint64
}

// Len is the number of pending positions.
func (h PendingSet) Len() int { return len(h.Ordinals) }
