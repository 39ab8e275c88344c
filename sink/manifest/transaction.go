package manifest

// Transaction tells readers what a transaction wrote and what became of the records that it read. The object is plain JSON
// and exists once all of its files do. Whoever creates it writes the same.
type Transaction struct {
	Format     int                `json:"format"`
	Job        string             `json:"job"`
	Epoch      int                `json:"epoch"`
	Entry      uint64             `json:"entry"`           // its place in the ledger; transactions are ordered by it
	Files      []File             `json:"files"`           // ordered by key
	Packs      []Pack             `json:"packs,omitempty"` // of merged flows, ordered by key; with them the Format is PackFormat
	Flows      map[string]FlowSum `json:"flows"`           // on-time files and packs only
	Partitions []Partition        `json:"partitions"`

	// Reasons counts finished records without a row, by the labels of stages and the kinds of errors, the most frequent
	// ones. LateDropped counts, by flow, the late rows of flows that drop these.
	Reasons     []Reason         `json:"reasons,omitempty"`
	LateDropped map[string]int64 `json:"late_dropped,omitempty"`
}

// Partition is the input that a transaction consumed of a partition, and what became of its records.
type Partition struct {
	Lane    string           `json:"lane"`
	Source  string           `json:"source"`
	Epoch   string           `json:"epoch,omitempty"`
	ID      string           `json:"id"`
	UpTo    string           `json:"up_to,omitempty"` // the last position consumed
	Read    int64            `json:"read"`
	Pending int              `json:"pending"` // records that are still in work
	Counts  map[string]int64 `json:"counts,omitempty"`
}

// Reason is why some records have no row: what a stage said when it dropped them or, for dead ones, the stage and the kind
// of error.
type Reason struct {
	Fate    string `json:"fate"`
	Why     string `json:"why"`
	Records int64  `json:"records"`
}
