package ledger

import (
	"maps"
	"slices"
	"sort"
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

	// Seals say, ascending, since when hours with packs are known to be sealed.
	Seals []SealMark
}

// SealMark says that all hours up to Through were known to be sealed when the store's clock said At.
type SealMark struct {
	Through time.Time `json:"through"`
	At      time.Time `json:"at"`
}

// maxSeals bounds Hours.Seals. Beyond that every second one goes. What is left says a later time, which is right too.
const maxSeals = 512

// SealedAt is a time at which hour was known to be sealed; zero if it is not.
func (hs *Hours) SealedAt(hour time.Time) time.Time {
	i := sort.Search(len(hs.Seals), func(i int) bool { return hs.Seals[i].Through.After(hour) })
	if i == len(hs.Seals) {
		return time.Time{}
	}
	return hs.Seals[i].At
}

// LastSeal is the end of the last hours with packs that are known to be sealed; zero if there are none.
func (hs *Hours) LastSeal() time.Time {
	if len(hs.Seals) == 0 {
		return time.Time{}
	}
	return hs.Seals[len(hs.Seals)-1].Through
}

// seal folds what e says of seals. Times never go back, whatever the authors' clocks said.
func (hs *Hours) seal(e *Entry) {
	hs.Sealed = when.Later(hs.Sealed, e.Sealed)
	if e.SealedAt.IsZero() {
		return
	}
	m := SealMark{e.Sealed, e.SealedAt}
	if n := len(hs.Seals); n > 0 {
		m.At = when.Later(m.At, hs.Seals[n-1].At)
	}
	kept := append(slices.Clip(hs.Seals), m)
	if len(kept) > maxSeals {
		kept = nil
		for i := 1; i < len(hs.Seals); i += 2 {
			kept = append(kept, hs.Seals[i])
		}
		kept = append(kept, m)
	}
	hs.Seals = kept
}

// hasPacks reports whether hs says something that only versions understand that know packs.
func (hs *Hours) hasPacks() bool { return len(hs.Seals) > 0 || hs.HasPacks(farFuture) }

// farFuture is after every hour that a ledger can hold.
var farFuture = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

// HasPacks reports whether an open hour before end has a pack.
func (hs *Hours) HasPacks(end time.Time) bool {
	for start, h := range hs.Open {
		if h.Packs > 0 && start.Before(end) {
			return true
		}
	}
	return false
}

// Hour is an open hour that has on-time files. A *Hour of a State is never changed, only replaced.
type Hour struct {
	First, Last        uint64 // first and last entry with files of it
	Files, Rows, Bytes int64
	Packs              int64 // of the files
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
