package lease

import (
	"context"
	"errors"
)

// Item is what the table keeps under a key.
type Item struct {
	Key     string
	Counter uint64 // from 1; every write adds one
	Owner   string // of a lease: empty is nobody; of a member: itself once it takes leases
	Asker   string // of a lease: the member that wants it
}

// ErrConflict says that the item is not as it was when it was read.
var ErrConflict = errors.New("lease: the item has changed")

// ErrRefused says that a retry does not help: no permission, no such table, a key of another form.
var ErrRefused = errors.New("lease: the table refuses")

// Table keeps the items of one group. It must be safe for concurrent use, by any number of processes.
type Table interface {
	// List returns all items by key. Each is as it was at some moment of the call; those with smaller keys at an earlier
	// moment.
	List(ctx context.Context) ([]Item, error)

	// Swap writes an item if the present one of its key has the counter old; 0 means that there is none. If not, the error
	// matches ErrConflict. But if the item is already the new one, because an earlier reply was lost, Swap succeeds. After
	// any other error it may have been written or not.
	Swap(ctx context.Context, old uint64, item Item) error

	// Delete deletes the item of a key if it has this counter, with the same errors. A missing item counts as deleted.
	Delete(ctx context.Context, key string, counter uint64) error
}

// Keys of items. Leases come before members, so a list that has a lease was at the members later.
const (
	leasePrefix  = "lease/"
	memberPrefix = "member/"
)
