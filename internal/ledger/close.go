package ledger

import "time"

// Close ends hours for good: all that follow the last closed one, or begin with the start hour, and end at or before
// Through.
type Close struct {
	From    time.Time `json:"from"`    // start of the first hour that it closes
	Through time.Time `json:"through"` // end of the last one

	// At is the store's clock before the source was asked which partitions exist.
	At       time.Time     `json:"at"`
	Lateness time.Duration `json:"lateness_ns"`

	// EmptyHours is how many hours without on-time files it may include in a row, beside as many as have passed since the
	// last Close. -1 is any number.
	EmptyHours int64 `json:"empty_hours"`

	// Listed are the number of partitions that the source named and the hash of their sorted list: for audits.
	Listed     int  `json:"listed"`
	ListedHash Hash `json:"listed_hash"`

	// Flows get a seal object in each of the hours, even those without files. Sorted. Flows that are not in it get one where
	// they have on-time files.
	Flows []string `json:"flows"`

	// Seal is the name of the seal object; JSON says which form it has.
	Seal string `json:"seal"`
	JSON bool   `json:"json,omitempty"`

	Generation uint64 `json:"generation"` // of the Config by which the closer knew the topics
}
