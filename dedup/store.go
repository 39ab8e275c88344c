package dedup

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/onceflow/onceflow/stream/record"
)

// Store remembers which record holds an ID. It must be safe for concurrent use.
//
// A store is local or shared. A local store has a table for each lane; it implements [Local], and its tables implement
// [Refiller]. A shared store has one table for all lanes of a job in all processes; its tables must not implement Refiller.
type Store interface {
	// Open returns a handle on the table of s. A local store returns an empty table, whatever it held before. Else a record
	// that is read again would meet its own claim. An error leaves nothing open.
	Open(ctx context.Context, s Space) (Table, error)

	Close() error
}

// Local marks a local store. Run refuses one where copies of an ID may be in several lanes.
type Local interface{ Local() }

// Space says which table is meant and how long it remembers.
type Space struct {
	// Name distinguishes the stages of a job that use one store. How the store was opened distinguishes jobs.
	Name string

	// Lane is the lane that the handle serves; a shared store ignores it.
	Lane string

	// Window is how long an ID is remembered. Bucket is the granularity of forgetting.
	Window, Bucket time.Duration
}

// End is the second, counted from 1970, in which the bucket of t ends. A shared store saves it with a claim. The bucket's
// number would mean another time once somebody changes the window, and with it the length of buckets.
func (s Space) End(t time.Time) int64 { return (BucketOf(t, s.Bucket) + 1) * seconds(s.Bucket) }

// Bound returns the smallest End that is still live at t: a claim has expired if its End is less than Bound(t).
func (s Space) Bound(t time.Time) int64 { return BucketOf(t, s.Bucket)*seconds(s.Bucket) + 1 }

// Table maps IDs to the records that claimed them first. A handle is not safe for concurrent use. Several handles on one
// shared table are, also in several processes.
type Table interface {
	// Claim makes claims[i].By the holder of claims[i].ID unless another record holds it, and sets won[i] to whether
	// claims[i].By is the holder now. Claims of one ID in one call are made in order. Each claim is atomic; the batch need
	// not be. When Claim returns, the claims of a shared table are as durable as the store makes them.
	//
	// After an error any subset of the claims may have been made. On a shared table, calling Claim again with the same
	// claims is then safe; a local table is not used again. Claim must keep neither slice.
	Claim(ctx context.Context, claims []Claim, won []bool) error

	// Expire forgets claims whose bucket ends at or before t. It must never forget others. t never goes back in one handle,
	// but another handle may be behind. An error that matches ErrForgotten stops the job.
	Expire(ctx context.Context, t time.Time) error

	// Close lets go of the handle. A local table is gone with it.
	Close() error
}

// Refiller is a table of a local store.
type Refiller interface {
	// Refill is Claim for records that were processed before, in no particular order. It is not known which record of an ID
	// won, so the newest time counts for Expire. won[i] says that no claim had this ID yet.
	Refill(ctx context.Context, claims []Claim, won []bool) error
}

// Claim asks for an ID.
type Claim struct {
	ID   ID
	Time time.Time // of the event
	By   Holder

	// Force takes the ID from its holder. The record waited in a later stage when its lane moved, so it had won.
	Force bool
}

// Holder is a record that holds an ID.
type Holder struct {
	Partition *record.Partition
	Position  record.Position
}

// ID is the XXH3 128-bit hash of an event's ID.
type ID [16]byte

// Hash returns the ID of an event whose own ID is s. It is the same in every process and release.
func Hash(s string) ID { return xxh3.HashString128(s).Bytes() }

// Hash tells records apart in 16 bytes, the same in every process and release.
func (h Holder) Hash() ID {
	var room [192]byte
	b := room[:0]
	for _, s := range [...]string{h.Partition.Source, h.Partition.Epoch, h.Partition.ID, h.Position.Seq} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Position.Sub))
	return xxh3.Hash128(b).Bytes()
}

// BucketOf returns the number of the bucket of t: buckets begin at whole multiples of length since 1970.
func BucketOf(t time.Time, length time.Duration) int64 {
	secs, s := seconds(length), t.Unix()
	b := s / secs
	if s%secs < 0 {
		b--
	}
	return b
}

func seconds(length time.Duration) int64 { return max(1, int64(length/time.Second)) }
