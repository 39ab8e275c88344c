package ledger

import "time"

// Close ends hours for good: those from the last closed one, or the start hour, that end at or before Through.
type Close struct {
	From    time.Time `json:"from"`    // start of the first hour that it closes
	Through time.Time `json:"through"` // end of the last one

	// At is the time that the store's clock had before the source was asked which partitions exist.
	At       time.Time     `json:"at"`
	Lateness time.Duration `json:"lateness_ns"`

	// EmptyHours is how many hours without on-time files the Close may include in a row, in addition to as many as have
	// passed since the job began. -1 is any number. See Genesis.EmptyHours.
	EmptyHours int64 `json:"empty_hours"`

	// Listed is the number of partitions that the source named, and the hash that of their sorted list. Both are for
	// audits.
	Listed     int  `json:"listed"`
	ListedHash Hash `json:"listed_hash"`

	// Flows get a seal object in each of the hours, even in those without files. Other flows get one where they have
	// on-time files. Sorted.
	Flows []string `json:"flows"`

	// Merge says how the hours' packs become files; nil if none of them has a pack.
	Merge *Merge `json:"merge,omitempty"`

	// Seal is the name of the seal object.
	Seal string `json:"seal"`

	Generation uint64 `json:"generation"` // of the Config by which the closer knew the topics
}

// Merge says how packs become files. It is part of the Close, so that all instances do the same.
type Merge struct {
	FileBytes int64 `json:"file_bytes"` // a file of this size is cut, and another one begun
	UnitBytes int64 `json:"unit_bytes"` // of packs, which one instance merges at a time: see Units
}

// MaxMergedHours is the largest number of hours that a Close with packs may include, so that no hour waits for many others.
const MaxMergedHours = 48
