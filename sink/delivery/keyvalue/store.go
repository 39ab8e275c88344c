package keyvalue

import (
	"cmp"
	"context"
	"fmt"
)

// Store is a store of keys and values, such as Redis or Aerospike. It is safe for concurrent use, also by several processes.
//
// An adapter needs one operation of its server that compares and replaces at once: a script, a transaction, a condition on a
// generation, or a filter expression on a bin that has the version. To look first and then write is wrong: another process may
// come in between.
type Store interface {
	// PutNewer stores each of the puts, unless the key has a value, or was deleted, with the same version or a later one. A
	// key may be there several times. It bounds the time of its requests itself, and tries nothing again. After an error any
	// of them may be stored or not. The error matches fs.ErrPermission if a person has to give access.
	PutNewer(ctx context.Context, puts []Put) error
}

// Put is a value for a key.
type Put struct {
	Key     string // 1 to MaxKey bytes of any kind
	Value   []byte // nil deletes the key; at most Options.MaxValue bytes
	Version Version
}

// MaxKey is the longest key, in bytes.
const MaxKey = 1024

// Version orders the values of a key: by Row, then by Unit, then by N.
//
// The order within a unit is that of its files' keys. So where rows of a key may be in several files of a unit, as in a flow with keys,
// of several partitions, or by the hour, only Row says which is newer.
type Version struct {
	Row  uint64 // what the row says, such as the microseconds of its event time; 0 for all if it says nothing
	Unit uint64 // the entry of the transaction, or the hour in seconds since the year 1
	N    uint64 // the number of the row in its unit, from 1
}

// Compare is negative if v comes before o, and 0 if they are the same.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Row, o.Row), cmp.Compare(v.Unit, o.Unit), cmp.Compare(v.N, o.N))
}

// String is 48 hex digits, which compare as the versions do.
func (v Version) String() string { return fmt.Sprintf("%016x%016x%016x", v.Row, v.Unit, v.N) }
