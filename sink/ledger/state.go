package ledger

import (
	"time"

	"github.com/onceflow/onceflow/stream"
)

// State is the fold of a ledger's entries: all that validation, adoption, closing and sweeping need. Its size is
// O(partitions + unpublished entries + open hours). It is not safe for concurrent use.
type State struct {
	Genesis Genesis
	Last    uint64 // id of the last entry folded; 0 before the first
	Hash    Hash   // of the last entry's object; of genesis before the first

	Config     Config
	Lanes      map[string]*Lane
	Partitions map[stream.Partition]*Partition
	Pending    map[uint64]Pending  // committed entries that are not marked as published
	Hours      map[time.Time]*Hour // open hours that have on-time files, by their start

	Closed      time.Time // end of the last closed hour; zero before the first Close
	ClosedEntry uint64
	Sealed      time.Time // end of the last hour whose seal objects are known to exist

	Read   int64 // of all partitions
	Counts stream.Counts
	Rows   int64
}

// Lane is the state of a lane.
type Lane struct {
	Version uint64
	Token   Token
}

// Partition is the state of a partition.
type Partition struct {
	Lane     string
	Progress stream.Progress
	HeldBlob *Blob
	HeldLen  int
	Retired  bool
	Read     int64
	Counts   stream.Counts
}

// Pending is a committed entry whose files are not known to be in place.
type Pending struct {
	Hours []time.Time // of its on-time files, ascending
}

// Hour is an open hour that has on-time files.
type Hour struct {
	First, Last        uint64 // first and last entry with files of it
	Files, Rows, Bytes int64
}

// Genesis is the object that starts an epoch of a job's ledger. What it says changes only by a new epoch.
type Genesis struct {
	Format    int
	MinReader int
	Job       string
	Epoch     int
	Hour      time.Duration // length of an hour
	Layout    string        // of keys: "hive1"
	Start     time.Time     // first hour to close; zero: the earliest hour when the first Close is due
	Source    string        // stream.SourceInfo.ID
	Shards    int           // 1
	Shard     string        // how lanes are spread over shards: "single"
	Created   time.Time
	Token     Token
}
