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

	// MaxEventTime is the newest event time read, or a proven end of the log, with no tolerance subtracted; zero before either. A
	// time that is far ahead counts once it is confirmed, and a record never moves MaxEventTime beyond the output's clock.
	MaxEventTime time.Time

	// Jump is what waits to be confirmed. The zero Jump is none.
	Jump Jump

	// Watermark says that hours which end at or before it are complete as far as this partition goes: the greater of its
	// previous value and of min(MaxEventTime - lateness, PendingTime). It never goes back. An Output sets it; a Cut need not.
	Watermark time.Time

	// Arrived is the source's own time of the newest record consumed, where the source gives one, or that of the last
	// proof that the log ends: all that arrived by then is consumed. A child begins with that of its parent. A source
	// whose positions have gaps by nature finds losses to retention with it.
	Arrived time.Time

	// Mark is what the source said of the records up to UpTo, or up to a little before, so to know them again: see Mark.
	Mark string

	// Ended means that no record will ever follow and that nothing is held back for the log's sake.
	Ended bool

	// Children are the partitions that take the place of an ended one; set in the same step as Ended.
	Children []record.Partition
}

// Jump is a step of event time that is too long to be believed at once: times more than five minutes ahead of MaxEventTime, or of
// nothing. Each further record of the partition beyond that adds one to Records, and each other one takes one away. At 16
// MaxEventTime becomes To, at 0 the jump is forgotten. A proof that the log ends makes an end of it, too.
type Jump struct {
	To      time.Time // the smallest of these times
	Newest  time.Time // the greatest
	Records int       // how many records have confirmed it
}

// PendingSet is a set of positions at or below some upTo, compact enough for a ledger. Where positions are plain numbers
// (Seq is empty) an ordinal is the distance of Sub from First.Sub. Elsewhere it counts the records that the source
// delivers from First on, First being 0 and unreadable ones included, since such positions have gaps by nature. It is
// immutable.
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
