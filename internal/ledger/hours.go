package ledger

import (
	"maps"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// Hours are the hours of a State: which have files, and how far they are closed and sealed.
type Hours struct {
	Open map[time.Time]*Hour // that have on-time files, by their start

	// Closed is the end of the last closed hour; before the first Close it is Genesis.Start, zero if that is not set.
	// Events of hours that end at or before it are late everywhere.
	Closed      time.Time
	ClosedEntry uint64    // the last Close; 0 before the first
	ClosedAt    time.Time // what the store's clock said for it
	Sealed      time.Time // end of the last hour whose seal objects are known to exist
}

// Hour is an open hour that has on-time files. A *Hour of a State is never changed, only replaced.
type Hour struct {
	First, Last        uint64 // first and last entry with files of it
	Files, Rows, Bytes int64
}

func (hs *Hours) first() time.Time {
	var b bound
	for h := range hs.Open {
		b.add(h)
	}
	return b.min
}

func (hs *Hours) last() (last time.Time) {
	for h := range hs.Open {
		last = when.Later(last, h)
	}
	return last
}

func (hs *Hours) close(e *Entry) {
	hs.Closed, hs.ClosedEntry, hs.ClosedAt = e.Close.Through, e.ID, e.Close.At
	maps.DeleteFunc(hs.Open, func(start time.Time, _ *Hour) bool { return start.Before(e.Close.Through) })
}
