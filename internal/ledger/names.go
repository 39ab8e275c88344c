package ledger

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Names of objects are relative to Root, but for those of Root itself.
const (
	GenesisName    = "genesis.json"
	EntryPrefix    = "s0000/"
	SnapshotPrefix = "snapshots/s0000/"
	ManifestPrefix = "manifests/s0000/"
	HourPrefix     = "hours/"
	BlobPrefix     = "blobs/"
	OwnerPrefix    = "owners/"
	ChunkPrefix    = "finished/"
	MergePrefix    = "merges/"
	PackPrefix     = "packs/"
)

// SnapshotEvery is the distance of snapshots: whoever appends entry n writes one if n is a multiple of it.
const SnapshotEvery = 64

// Root is the folder of an epoch of a job's ledger, with a slash at its end. prefix is empty or ends in a slash.
func Root(prefix, job string, epoch int) string {
	return fmt.Sprintf("%s_onceflow/%s/e%04d/", prefix, job, epoch)
}

// EntryName is the name of entry n.
func EntryName(n uint64) string { return EntryPrefix + number(n) }

// SnapshotName is the name of the snapshot of the state after entry n.
func SnapshotName(n uint64) string { return SnapshotPrefix + number(n) }

// ManifestName is the name of the manifest of entry n.
func ManifestName(n uint64) string { return ManifestPrefix + number(n) + ".json" }

// BlobName is the name of the i-th blob of the attempt to append that token stands for.
func BlobName(token Token, i int) string { return fmt.Sprintf("%s%s-%d", BlobPrefix, token, i) }

// OwnerName is the name of an owner object.
func OwnerName(id string) string { return OwnerPrefix + id }

// ChunkName is the name of a chunk of State.Finished.
func ChunkName(h Hash) string { return ChunkPrefix + string(h) }

// OwnerID makes the ID of an owner object whose newest acquisition had folded all entries below index. IDs sort by index,
// so one listing finds those beyond the end of a ledger.
func OwnerID(index, random uint64) string { return fmt.Sprintf("%010x%016x", index, random) }

// ParseOwnerID returns the index of an OwnerID.
func ParseOwnerID(id string) (index uint64, ok bool) {
	if len(id) != 26 {
		return 0, false
	}
	index, err := strconv.ParseUint(id[:10], 16, 64)
	random, errRandom := strconv.ParseUint(id[10:], 16, 64)
	return index, err == nil && errRandom == nil && index > 0 && OwnerID(index, random) == id
}

// later is how all objects are named that are written after the genesis.
var later = regexp.MustCompile(`^(s0000/\d{20}|snapshots/s0000/\d{20}|manifests/s0000/\d{20}\.json|hours/\d{4}-\d\d-\d\dT\d\d(\d\d)?\.json|` +
	`blobs/[0-9a-f]+-\d+|owners/[0-9a-f]{26}|finished/[0-9a-f]{64}|merges/\d{20}/.+|packs/\d{4}-\d\d-\d\dT\d{4}/.+)$`)

// Later reports whether a name is of an object that is written only after the genesis. Other programs may put objects of
// other names there, which tell nothing.
func Later(name string) bool { return later.MatchString(name) }

// HourName is the name of the manifest of the hour that begins at start.
func HourName(start time.Time, hour time.Duration) string {
	return HourPrefix + start.UTC().Format(hourLayout(hour)) + ".json"
}

func hourLayout(hour time.Duration) string {
	if hour%time.Hour == 0 {
		return "2006-01-02T15"
	}
	return "2006-01-02T1504"
}

func number(n uint64) string { return fmt.Sprintf("%020d", n) }

func parseNumber(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n > 0 && number(n) == s
}

// ParseEntryName returns the n of EntryName.
func ParseEntryName(name string) (n uint64, ok bool) {
	s, ok := strings.CutPrefix(name, EntryPrefix)
	if !ok {
		return 0, false
	}
	return parseNumber(s)
}

// ParseSnapshotName returns the n of SnapshotName.
func ParseSnapshotName(name string) (n uint64, ok bool) {
	s, ok := strings.CutPrefix(name, SnapshotPrefix)
	if !ok {
		return 0, false
	}
	return parseNumber(s)
}

// ParseManifestName returns the n of ManifestName.
func ParseManifestName(name string) (n uint64, ok bool) {
	s, ok := strings.CutPrefix(name, ManifestPrefix)
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, ".json"); !ok {
		return 0, false
	}
	return parseNumber(s)
}

// ParseHourName returns the start of HourName.
func ParseHourName(name string, hour time.Duration) (start time.Time, ok bool) {
	s, ok := strings.CutPrefix(name, HourPrefix)
	if !ok {
		return start, false
	}
	if s, ok = strings.CutSuffix(s, ".json"); !ok {
		return start, false
	}
	start, err := time.Parse(hourLayout(hour), s)
	return start, err == nil && HourName(start, hour) == name
}

// packHour is how the folder of an hour's packs is named.
const packHour = "2006-01-02T1504"

// PackFolder is the folder of the packs of the hour that begins at start, with a slash at its end.
func PackFolder(start time.Time) string { return PackPrefix + start.UTC().Format(packHour) + "/" }

// ParsePackName returns the hour of an object in a PackFolder.
func ParsePackName(name string) (start time.Time, ok bool) {
	s, ok := strings.CutPrefix(name, PackPrefix)
	if !ok {
		return start, false
	}
	s, _, ok = strings.Cut(s, "/")
	start, err := time.Parse(packHour, s)
	return start, ok && err == nil && start.Format(packHour) == s
}
