package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// MaxUnits is the largest number of units of an hour and flow. MaxContents bounds a pack's list of segments, MaxMerge a
// merge record.
const (
	MaxUnits    = 256
	MaxContents = 64 << 20
	MaxMerge    = 256 << 20
)

// Unit is what one instance merges at a time: of the packs of an hour and flow, the groups of some slots.
type Unit struct {
	Close  uint64    `json:"close"` // the entry that closed the hour
	Hour   time.Time `json:"hour"`  // its start
	Flow   string    `json:"flow"`
	First  int       `json:"first"` // its first slot
	Number int       `json:"slots"` // how many slots it has
}

// Units returns the units of an hour and flow whose packs have so many bytes together: a power of two of them, so that each
// has at most about unitBytes, as long as there are slots.
func Units(entry uint64, hour time.Time, flow string, bytes, unitBytes int64) []Unit {
	n := 1
	for n < MaxUnits && (bytes-1)/int64(n) >= unitBytes {
		n *= 2
	}
	units := make([]Unit, n)
	for i := range units {
		units[i] = Unit{Close: entry, Hour: hour, Flow: flow, First: i * MaxUnits / n, Number: MaxUnits / n}
	}
	return units
}

// Name is the name of the unit's record, relative to Root.
func (u *Unit) Name() string {
	return fmt.Sprintf("%s%s-%s-%02x-%d", MergeFolder(u.Close), u.Hour.UTC().Format("2006-01-02T1504"), u.Flow, u.First, u.Number)
}

// MergeFolder is the folder of the records of a Close, with a slash at its end.
func MergeFolder(entry uint64) string { return MergePrefix + number(entry) + "/" }

// Owner is the owner of what is staged for the unit of the job whose Root is root: see docs/protocol.md, rule 11.5.
func (u *Unit) Owner(root string) string {
	sum := sha256.Sum256([]byte(u.Name()))
	return MergeOwners(root) + hex.EncodeToString(sum[:12])
}

// MergeOwners is how the names of all Owners of a job begin, and no others.
func MergeOwners(root string) string {
	sum := sha256.Sum256([]byte(root))
	return "m" + hex.EncodeToString(sum[:8])
}

// Merged says into which files the groups of a unit were merged. The first one that is written is the unit's, for ever.
type Merged struct {
	Unit
	Token Token        // of its author
	Rows  int64        // of all files
	Files []MergedFile // by key
}

// MergedFile is a file with rows of one key path.
type MergedFile struct {
	Key    string `json:"key"` // final name in the store
	Length int64  `json:"length"`
	Rows   int64  `json:"rows"`
	CRC32C uint32 `json:"crc32c"`
	Ref    []byte `json:"ref,omitempty"` // the store's: how to publish the staged file
}

type mergedJSON struct {
	blobHeader
	Unit
	Token Token        `json:"token"`
	Rows  int64        `json:"rows"`
	Files []MergedFile `json:"files,omitempty"`
}

// Encode returns the object of m.
func (m *Merged) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	body, err := pack(&mergedJSON{versionOf(true), m.Unit, m.Token, m.Rows, m.Files})
	if err == nil && len(body) > MaxMerge {
		err = fmt.Errorf("%w: a merge record of %d bytes", ErrTooLong, len(body))
	}
	return body, err
}

// DecodeMerged reads the record of a unit. The error is a *VersionError if a newer version is needed, else a *CorruptError.
func DecodeMerged(u Unit, body []byte) (*Merged, error) {
	object := u.Name()
	var j mergedJSON
	h, err := open(object, body, MaxMerge, &j)
	if err != nil {
		return nil, err
	}
	m := &Merged{j.Unit, j.Token, j.Rows, j.Files}
	if m.Name() != object {
		return nil, corrupt(object, "it says that it is %s", m.Name())
	}
	if err := m.check(); err != nil {
		return nil, corrupt(object, "%v", err)
	}
	return m, canonical(object, body, h, m.Encode)
}

func (m *Merged) check() error {
	u := &m.Unit
	if u.Close == 0 || u.First < 0 || u.Number < 1 || u.First+u.Number > MaxUnits || u.First%u.Number != 0 || MaxUnits%u.Number != 0 {
		return fmt.Errorf("a unit of close %d with %d slots from %d", u.Close, u.Number, u.First)
	}
	rows := int64(0)
	for i := range m.Files {
		f := &m.Files[i]
		if f.Length < 0 || f.Rows < 1 || i > 0 && cmp.Compare(m.Files[i-1].Key, f.Key) >= 0 {
			return fmt.Errorf("file %q of %d bytes and %d rows, or files are not in order", f.Key, f.Length, f.Rows)
		}
		if err := checkName("key", f.Key); err != nil {
			return err
		}
		rows += f.Rows
	}
	if rows != m.Rows {
		return fmt.Errorf("%d rows, and its files have %d", m.Rows, rows)
	}
	return errors.Join(checkName("flow", u.Flow), checkToken(m.Token), checkUTC("hour", u.Hour))
}
