package manifest

import "time"

// Hour tells readers all that a closed hour holds. The object is plain JSON, exists before the hour's seals and never
// changes. Whoever creates it writes the same. The seal object of a flow, in its JSON form, has the same fields, with that
// flow alone and without Partitions.
type Hour struct {
	Format     int                `json:"format"`
	Job        string             `json:"job"`
	Epoch      int                `json:"epoch"`
	Hour       time.Time          `json:"hour"` // its start
	End        time.Time          `json:"end"`
	Entry      uint64             `json:"entry"` // of the ledger, that closed it
	ClosedAt   time.Time          `json:"closed_at"`
	Flows      map[string]FlowSum `json:"flows"`                // of the Close, with or without files, and all others with files
	Files      []File             `json:"files"`                // on-time files of all transactions, ordered by key
	Partitions []ClosedPartition  `json:"partitions,omitempty"` // that may have more to give: not those that have ended and hold nothing
	Read       int64              `json:"read"`                 // records of the whole job up to the close
	Counts     map[string]int64   `json:"counts"`               // and what became of them
}

// ClosedPartition is how far a partition was when the hour was closed. Its later records are in later hours, or late.
type ClosedPartition struct {
	Lane      string    `json:"lane"`
	Source    string    `json:"source"`
	Epoch     string    `json:"epoch,omitempty"`
	ID        string    `json:"id"`
	UpTo      string    `json:"up_to,omitempty"`
	Watermark time.Time `json:"watermark,omitzero"`
	Pending   int       `json:"pending,omitempty"` // records in work, all of later hours
	Ended     bool      `json:"ended,omitempty"`
	Retired   bool      `json:"retired,omitempty"`
}
