package ledger

import (
	"time"

	"github.com/onceflow/onceflow/stream"
)

// Kind says what an Entry does. Its text is what an entry object holds.
type Kind string

const (
	KindConfig Kind = "config"
	KindCommit Kind = "commit"
	KindMark   Kind = "mark"
	KindClose  Kind = "close"
	KindRetire Kind = "retire"

	// Reserved, refused for now: KindNop, KindReplace, KindRepair, KindEnd.
	KindNop     Kind = "nop"
	KindReplace Kind = "replace"
	KindRepair  Kind = "repair"
	KindEnd     Kind = "end"
)

// Format is the version that this code writes and the newest it reads; MinReader the oldest version that can read what it
// writes.
const (
	Format    = 1
	MinReader = 1
)

// Token is 128 random bits in hex. It identifies an attempt to append, or an adoption of a lane.
type Token string

// Hash is the SHA-256 of an object in hex.
type Hash string

// Entry is one entry of a ledger. Exactly the part that belongs to Kind is set.
type Entry struct {
	Format    int
	MinReader int
	Kind      Kind
	ID        uint64 // its place; the first is 1
	Prev      Hash   // of the object of entry ID-1; of genesis for the first
	Token     Token  // of this append: how its author knows it again

	// Published are entries, ascending, whose files and manifests are in place and were not marked before.
	Published []uint64

	// Sealed is the end of the last hour whose seal objects are known to exist; zero says nothing.
	Sealed time.Time

	Config *Config
	Commit *Commit
	Close  *Close
	Retire *Retire
}

// Config says which topics a job reads.
type Config struct {
	Generation uint64
	Topics     []string // sorted
}

// Commit is a transaction: files of all flows, and the input progress that they come from.
type Commit struct {
	Lanes []LaneCommit // ordered by name

	// Files are the files, in the order of their keys; nil if they are in FilesBlob.
	Files     []File
	FilesBlob *Blob

	// Hours sums up the on-time files, so that a fold need not read a blob.
	Hours []HourSum
}

// LaneCommit is the new progress of one lane.
type LaneCommit struct {
	Lane string

	// Base is the version that the lane must have: the entry that last touched it, or the last Close if none did, or 0.
	Base  uint64
	Token Token // of the adoption by which the author holds the lane

	Partitions []PartitionCommit // ordered by Partition.Compare
}

// PartitionCommit is the new progress of one partition, and what became of the records that this transaction finished.
type PartitionCommit struct {
	Partition stream.Partition
	Progress  stream.Progress // with Low; Held is empty if HeldBlob is set
	HeldBlob  *Blob
	HeldLen   int   // Progress.Held.Len, also if that is in a blob
	Read      int64 // records read for the first time
	Counts    stream.Counts
}

// Blob is a part of an entry that was too long for it: an object created before it.
type Blob struct {
	Key    string
	SHA256 Hash
	Bytes  int64
}

// FileKind says to which part of the output a file belongs.
type FileKind string

const (
	DataFile FileKind = ""     // in the folder of an hour, sealed with it
	LateFile FileKind = "late" // of hours that were closed, never sealed
	DeadFile FileKind = "dead" // dead letters, under the hour of reading, never sealed
)

// File is one file of a transaction, or a range of an object.
type File struct {
	Flow   string
	Kind   FileKind
	Hour   time.Time // start of the folder's hour
	Key    string    // final name in the store
	Offset int64     // of the rows in the object; 0 unless packed
	Length int64     // bytes
	Rows   int64
	CRC32C uint32
	Ref    []byte // the store's: how to publish the staged file
}

// HourSum is what a Commit adds to an hour.
type HourSum struct {
	Hour               time.Time
	Files, Rows, Bytes int64
}

// Close ends hours for good: all that follow the last closed one, or begin with the start hour, and end at or before
// Through.
type Close struct {
	From    time.Time // start of the first hour that it closes
	Through time.Time // end of the last one

	// At is the store's clock before the source was asked which partitions exist.
	At       time.Time
	Lateness time.Duration

	// Listed are the number of partitions that the source named and the hash of their sorted list: for audits.
	Listed     int
	ListedHash Hash

	// Flows get a seal object in each of the hours, even those without files. Sorted.
	Flows []string

	// Seal is the name of the seal object; JSON says which form it has.
	Seal string
	JSON bool

	Generation uint64 // of the Config by which the closer knew the topics
}

// Retire takes a partition out of the conditions for a Close. It touches the lane.
type Retire struct {
	Lane      string
	Base      uint64
	Token     Token
	Partition stream.Partition
	Reason    string
}
