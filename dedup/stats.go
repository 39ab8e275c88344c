package dedup

import (
	"errors"
	"sync/atomic"
)

// Stats counts what the processors of a stage have done since they were made. Work that a crash undoes and a replay repeats
// counts twice. It is safe for concurrent use. The zero value is ready.
type Stats struct {
	Claims   atomic.Int64 // records that asked for their ID
	Hits     atomic.Int64 // of those, records whose ID another one held: duplicates
	Forced   atomic.Int64 // of those, records that had won before they were read again
	Empty    atomic.Int64 // records without an ID, passed on
	Refilled atomic.Int64 // records that filled a local store again
	Retries  atomic.Int64 // calls to a shared store that were made again

	failing atomic.Pointer[error]
}

// Failing is the last error of a shared store while calls to it are being repeated; nil if it works.
func (s *Stats) Failing() error {
	if p := s.failing.Load(); p != nil {
		return *p
	}
	return nil
}

// ErrForgotten means that a store may have forgotten IDs that are still needed, for example because its time to live is
// shorter than the window and the job's delay together. Duplicates would get through, so the job stops.
var ErrForgotten = errors.New("dedup: the store may have forgotten IDs within the window")
