package sink

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/record"
)

// Manifest tells readers what a transaction wrote and what became of the records that it read. The object, plain JSON,
// exists once all of its files do, and says the same whoever creates it.
type Manifest struct {
	Format     int                 `json:"format"`
	Job        string              `json:"job"`
	Epoch      int                 `json:"epoch"`
	Entry      uint64              `json:"entry"` // its place in the ledger; transactions are ordered by it
	Files      []File              `json:"files"` // ordered by key
	Flows      map[string]FlowSum  `json:"flows"` // on-time files only
	Partitions []ManifestPartition `json:"partitions"`

	// Reasons are why finished records have no row: labels of stages and kinds of errors, the most frequent ones. LateDropped
	// are rows by flow that were too late for a flow that drops these.
	Reasons     []ledger.Reason  `json:"reasons,omitempty"`
	LateDropped map[string]int64 `json:"late_dropped,omitempty"`
}

// File is a file that is in place, or a range of an object.
type File struct {
	Flow   string          `json:"flow"`
	Kind   ledger.FileKind `json:"kind,omitempty"` // empty on time, else "late" or "dead"
	Hour   time.Time       `json:"hour"`           // start of its folder's hour
	Key    string          `json:"key"`            // in the store
	Offset int64           `json:"offset,omitempty"`
	Length int64           `json:"length"` // bytes
	Rows   int64           `json:"rows"`
	CRC32C string          `json:"crc32c"` // of the bytes, eight hex digits
}

// FlowSum adds up files.
type FlowSum struct {
	Files int64 `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

// ManifestPartition is the input that a transaction consumed of a partition, and what became of its records.
type ManifestPartition struct {
	Lane   string           `json:"lane"`
	Source string           `json:"source"`
	Epoch  string           `json:"epoch,omitempty"`
	ID     string           `json:"id"`
	UpTo   string           `json:"up_to,omitempty"` // the last position consumed
	Read   int64            `json:"read"`
	Held   int              `json:"held"` // records that are still in work
	Counts map[string]int64 `json:"counts,omitempty"`
}

// FormatVersion is the version of manifests, hour manifests and seals.
const FormatVersion = 1

// MaxManifest bounds what a reader takes.
const MaxManifest = 256 << 20

func (k *keeper) manifest(e *ledger.Entry, files []ledger.File) ([]byte, error) {
	m := &Manifest{
		Format: FormatVersion, Job: k.job, Epoch: epoch, Entry: e.ID, Files: publicFiles(files), Flows: sumFlows(files),
		Partitions: []ManifestPartition{}, Reasons: e.Commit.Reasons,
	}
	for _, d := range e.Commit.LateDropped {
		if m.LateDropped == nil {
			m.LateDropped = map[string]int64{}
		}
		m.LateDropped[d.Flow] = d.Rows
	}
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		for j := range l.Partitions {
			m.Partitions = append(m.Partitions, manifestPartition(l.Lane, &l.Partitions[j]))
		}
	}
	return encodeJSON(m)
}

func encodeJSON(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return append(body, '\n'), nil
}

func manifestPartition(lane string, p *ledger.PartitionCommit) ManifestPartition {
	m := ManifestPartition{
		Lane: lane, Source: p.Partition.Source, Epoch: p.Partition.Epoch, ID: p.Partition.ID,
		Read: p.Read, Held: p.HeldLen, Counts: countsByName(p.Counts),
	}
	if !p.Progress.UpTo.IsZero() {
		m.UpTo = p.Progress.UpTo.String()
	}
	return m
}

func countsByName(c record.Counts) map[string]int64 {
	m := map[string]int64{}
	for i, n := range c {
		if n != 0 {
			m[record.Fate(i).String()] = n
		}
	}
	return m
}

func publicFiles(files []ledger.File) []File {
	out := make([]File, len(files))
	for i := range files {
		out[i] = publicFile(&files[i])
	}
	return out
}

func publicFile(f *ledger.File) File {
	return File{
		Flow: f.Flow, Kind: f.Kind, Hour: f.Hour, Key: f.Key, Offset: f.Offset, Length: f.Length, Rows: f.Rows,
		CRC32C: fmt.Sprintf("%08x", f.CRC32C),
	}
}

func sumFlows(files []ledger.File) map[string]FlowSum {
	sums := map[string]FlowSum{}
	for i := range files {
		if f := &files[i]; f.Kind == ledger.DataFile {
			s := sums[f.Flow]
			s.Files, s.Rows, s.Bytes = s.Files+1, s.Rows+f.Rows, s.Bytes+f.Length
			sums[f.Flow] = s
		}
	}
	return sums
}
