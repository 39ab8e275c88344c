package manifest

import "time"

// Format is the version of manifests, hour manifests and seals. That of a transaction with packs is PackFormat.
const (
	Format     = 1
	PackFormat = 2
)

// MaxBytes bounds a manifest that a reader takes.
const MaxBytes = 256 << 20

// Kind says what is in a file.
type Kind string

const (
	OnTime Kind = ""     // rows of an hour that was open
	Late   Kind = "late" // rows that came after their hour had closed
	Dead   Kind = "dead" // dead letters
	Note   Kind = "note" // what a stage wrote down about records; Flow is the name of the notes
)

// File is a file that is in place, or a range of an object.
type File struct {
	Flow   string    `json:"flow"`
	Kind   Kind      `json:"kind,omitempty"`
	Hour   time.Time `json:"hour"` // start of its folder's hour
	Key    string    `json:"key"`  // in the store
	Offset int64     `json:"offset,omitempty"`
	Length int64     `json:"length"` // bytes
	Rows   int64     `json:"rows"`
	CRC32C string    `json:"crc32c"` // of the bytes, eight hex digits
}

// Pack has the rows that a transaction wrote for an hour of a merged flow, with all their keys. They are in files once their
// hour is sealed. The pack is deleted some time after that. docs/format.md describes it.
type Pack struct {
	Flow     string    `json:"flow"`
	Hour     time.Time `json:"hour"` // its start
	Key      string    `json:"key"`  // in the store
	Length   int64     `json:"length"`
	Rows     int64     `json:"rows"`
	CRC32C   string    `json:"crc32c"`
	Contents Contents  `json:"contents"`
}

// Contents is where a pack says what it has.
type Contents struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	CRC32C string `json:"crc32c"`
}

// FlowSum adds up files.
type FlowSum struct {
	Files int64 `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

// Sum adds up the on-time files of each flow.
func Sum(files []File) map[string]FlowSum {
	sums := map[string]FlowSum{}
	for i := range files {
		if f := &files[i]; f.Kind == OnTime {
			s := sums[f.Flow]
			s.Files, s.Rows, s.Bytes = s.Files+1, s.Rows+f.Rows, s.Bytes+f.Length
			sums[f.Flow] = s
		}
	}
	return sums
}
