package manifest

import "time"

// Format is the version of manifests, hour manifests and seals.
const Format = 1

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
