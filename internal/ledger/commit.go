package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Commit is a transaction: files of all flows, and the input progress that made them.
type Commit struct {
	Lanes []LaneCommit // ordered by name

	// Files are ordered by key and offset. If FilesBlob is set they are in that blob; then only the author has them here,
	// or a reader after Attach.
	Files     []File
	FilesBlob *Blob

	// Hours sums up the on-time files, ordered by hour, so that a fold need not read FilesBlob.
	Hours []HourSum

	// Reasons say why finished records have no row, ordered by fate and text: see driver.Cut. At most MaxReasons.
	Reasons []Reason

	// LateDropped counts the late rows of flows that drop these, ordered by flow. They are in no file.
	LateDropped []FlowRows

	// BodyBlob holds Lanes and Hours if they are too long for the entry. Such an entry can be folded only after Attach.
	BodyBlob *Blob
}

// HasManifest reports whether c gets a manifest, and so needs a mark. It does if it has files, or has read or finished
// records, so that all manifests add up to what the job has read. A Commit of clocks alone has none. Parts in BodyBlob must
// be attached.
func (c *Commit) HasManifest() bool {
	if len(c.Files) > 0 || c.FilesBlob != nil {
		return true
	}
	for i := range c.Lanes {
		for k := range c.Lanes[i].Partitions {
			if p := &c.Lanes[i].Partitions[k]; p.Read != 0 || p.Counts != (record.Counts{}) {
				return true
			}
		}
	}
	return false
}

// hasPacks reports whether one of the files is a pack. Files that are only in FilesBlob are known by their sums.
func (c *Commit) hasPacks() bool {
	return slices.ContainsFunc(c.Hours, func(h HourSum) bool { return h.Packs > 0 }) || filesHavePacks(c.Files)
}

func filesHavePacks(files []File) bool {
	return slices.ContainsFunc(files, func(f File) bool { return f.Kind == PackFile })
}

// LaneCommit is the new progress of one lane.
type LaneCommit struct {
	Lane string

	// Base is the version that the lane must have: the entry that last touched it, or the last Close if none did, or 0.
	Base  uint64
	Token Token // of the acquisition by which the author holds the lane

	// Acquired is set if the acquisition knew nothing of the lane: the first entry that it had not folded. It shows whether
	// somebody may have read the lane to its end since, and a Forget removed it. Else it is 0.
	Acquired uint64

	// Partitions are ordered by Partition.Compare. A partition of the lane that is missing keeps its progress. The lane is
	// touched even if all are missing.
	Partitions []PartitionCommit
}

// PartitionCommit is the new progress of one partition, and the fates of the records that this transaction finished.
// Previous PendingLen + Read = PendingLen + Counts.Sum().
type PartitionCommit struct {
	Partition  record.Partition
	Progress   driver.Progress // with Watermark; see Advance
	PendingLen int             // Progress.Pending.Len, also if that is in a blob
	Read       int64           // records read for the first time
	Counts     record.Counts

	// PendingBlob has Progress.Pending if that was too long. If PendingBefore is 0 it has the whole set. Else it has only
	// what changed since the set of the base, which is in PendingBefore blobs.
	PendingBlob   *Blob
	PendingBefore int

	// PendingBase is the pending set of the base, for Fit. Only the author has it.
	PendingBase driver.PendingSet

	blobs int // of the base's pending set; see Prepare
}

// FileKind says to which part of the output a file belongs.
type FileKind string

const (
	DataFile FileKind = ""     // in the folder of an hour, sealed with it
	LateFile FileKind = "late" // of hours that were closed, never sealed
	DeadFile FileKind = "dead" // dead letters, under the hour of reading, never sealed
	NoteFile FileKind = "note" // notes of stages, under hours that these choose, never sealed
	PackFile FileKind = "pack" // rows of an hour before they are merged; counts as on time
)

// File is one file of a transaction, or a range of an object.
type File struct {
	Flow   string    `json:"flow"`
	Kind   FileKind  `json:"kind,omitempty"`
	Hour   time.Time `json:"hour"`             // start of the folder's hour, UTC
	Key    string    `json:"key"`              // final name in the store
	Offset int64     `json:"offset,omitempty"` // of the rows in the object; 0 unless packed
	Length int64     `json:"length"`           // bytes
	Rows   int64     `json:"rows"`
	CRC32C uint32    `json:"crc32c"`
	Ref    []byte    `json:"ref,omitempty"` // the store's: how to publish the staged file

	// Contents is where a pack says what it has.
	Contents *Contents `json:"contents,omitempty"`
}

// Contents is the place of a pack's list of segments.
type Contents struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	CRC32C uint32 `json:"crc32c"`
}

// OnTime reports whether the rows of f belong to an hour that is to be sealed with them.
func (f *File) OnTime() bool { return f.Kind == DataFile || f.Kind == PackFile }

// HourSum is what a Commit adds to an hour.
type HourSum struct {
	Hour  time.Time `json:"hour"`
	Files int64     `json:"files"`
	Rows  int64     `json:"rows"`
	Bytes int64     `json:"bytes"`
	Packs int64     `json:"packs,omitempty"` // of the files
}

// SumHours returns what the on-time files add to their hours, as Commit.Hours wants it.
func SumHours(files []File) []HourSum {
	sums := make(map[time.Time]*HourSum)
	for i := range files {
		f := &files[i]
		if !f.OnTime() {
			continue
		}
		s := sums[f.Hour]
		if s == nil {
			s = &HourSum{Hour: f.Hour}
			sums[f.Hour] = s
		}
		s.Files, s.Rows, s.Bytes = s.Files+1, s.Rows+f.Rows, s.Bytes+f.Length
		if f.Kind == PackFile {
			s.Packs++
		}
	}
	out := make([]HourSum, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	sortHours(out)
	return out
}

type commitJSON struct {
	bodyJSON
	BodyBlob    *Blob      `json:"body_blob,omitempty"`
	Files       []File     `json:"files,omitempty"`
	FilesBlob   *Blob      `json:"files_blob,omitempty"`
	Reasons     []Reason   `json:"reasons,omitempty"`
	LateDropped []FlowRows `json:"late_dropped,omitempty"`
}

// bodyJSON is the part of a Commit that may be moved to BodyBlob.
type bodyJSON struct {
	Lanes []laneJSON `json:"lanes,omitempty"`
	Hours []HourSum  `json:"hours,omitempty"`
}

type laneJSON struct {
	Lane       string             `json:"lane"`
	Base       uint64             `json:"base"`
	Token      Token              `json:"token"`
	Acquired   uint64             `json:"acquired,omitempty"`
	Partitions []partitionRowJSON `json:"partitions,omitempty"`
}

type partitionRowJSON struct {
	partitionJSON
	progressJSON
	PendingBlob   *Blob      `json:"pending_blob,omitempty"`
	PendingBefore int        `json:"pending_before,omitempty"`
	PendingLen    int        `json:"pending_len,omitempty"`
	Read          int64      `json:"read,omitempty"`
	Counts        countsJSON `json:"counts,omitzero"`
}

func (c *Commit) toJSON() (*commitJSON, error) {
	j := &commitJSON{BodyBlob: c.BodyBlob, FilesBlob: c.FilesBlob, Reasons: c.Reasons, LateDropped: c.LateDropped}
	if c.FilesBlob == nil {
		j.Files = c.Files
	}
	if c.BodyBlob != nil {
		return j, nil
	}
	body, err := c.body()
	j.bodyJSON = body
	return j, err
}

func (c *Commit) body() (bodyJSON, error) {
	j := bodyJSON{Hours: c.Hours, Lanes: make([]laneJSON, len(c.Lanes))}
	for i := range c.Lanes {
		l := &c.Lanes[i]
		j.Lanes[i] = laneJSON{Lane: l.Lane, Base: l.Base, Token: l.Token, Acquired: l.Acquired, Partitions: make([]partitionRowJSON, len(l.Partitions))}
		for k := range l.Partitions {
			var err error
			if j.Lanes[i].Partitions[k], err = l.Partitions[k].row(); err != nil {
				return j, err
			}
		}
	}
	return j, nil
}

func (p *PartitionCommit) row() (partitionRowJSON, error) {
	progress, err := toProgress(&p.Progress, p.PendingBlob != nil)
	if err != nil {
		return partitionRowJSON{}, fmt.Errorf("ledger: partition %s: %w", p.Partition, err)
	}
	return partitionRowJSON{toPartition(p.Partition), progress, p.PendingBlob, p.PendingBefore, p.PendingLen, p.Read, toCounts(p.Counts)}, nil
}

func (j *partitionRowJSON) commit(progress driver.Progress) PartitionCommit {
	return PartitionCommit{
		Partition: j.partition(), Progress: progress, PendingBlob: j.PendingBlob, PendingBefore: j.PendingBefore, PendingLen: j.PendingLen, Read: j.Read,
		Counts: j.Counts.counts(),
	}
}

func (j *commitJSON) commit() (*Commit, error) {
	c := &Commit{BodyBlob: j.BodyBlob, Files: j.Files, FilesBlob: j.FilesBlob, Reasons: j.Reasons, LateDropped: j.LateDropped}
	return c, j.bodyJSON.into(c)
}

func (j *bodyJSON) into(c *Commit) error {
	c.Hours = j.Hours
	c.Lanes = make([]LaneCommit, len(j.Lanes))
	for i := range j.Lanes {
		l := &j.Lanes[i]
		c.Lanes[i] = LaneCommit{Lane: l.Lane, Base: l.Base, Token: l.Token, Acquired: l.Acquired, Partitions: make([]PartitionCommit, len(l.Partitions))}
		for k := range l.Partitions {
			p := &l.Partitions[k]
			progress, err := p.progress()
			if err != nil {
				return fmt.Errorf("partition %s: %w", p.partition(), err)
			}
			c.Lanes[i].Partitions[k] = p.commit(progress)
		}
	}
	return nil
}
