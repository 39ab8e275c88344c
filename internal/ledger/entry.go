package ledger

import (
	"cmp"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Kind is what an Entry does. Entry objects hold its text.
type Kind string

const (
	KindConfig Kind = "config"
	KindCommit Kind = "commit"
	KindMark   Kind = "mark"
	KindClose  Kind = "close"
	KindRetire Kind = "retire"
	KindForget Kind = "forget"
)

// Format is the version of what this code writes, and MinReader the oldest version that can read it, unless packs are in it:
// then both are PackFormat, the newest that this code reads. So a job without packs can go back to a version that does not
// know them.
const (
	Format     = 1
	MinReader  = 1
	PackFormat = 2
)

// versionOf is the format, and the minimum reader, of an object with packs or without.
func versionOf(packs bool) blobHeader {
	if packs {
		return blobHeader{PackFormat, PackFormat}
	}
	return blobHeader{Format, MinReader}
}

// Token is 128 random bits in lower-case hex. It identifies an attempt to append, or an acquisition of a lane.
type Token string

// Hash is the SHA-256 of an object in lower-case hex.
type Hash string

// Entry is one entry of a ledger. Exactly the part that belongs to Kind is set; a Mark has none.
type Entry struct {
	Format    int
	MinReader int
	Kind      Kind
	ID        uint64 // its place; the first is 1
	Prev      Hash   // of the object of entry ID-1; of genesis for the first
	Token     Token  // of this append: how its author knows it again
	By        string // the author's name, for people; may be empty

	// Published are entries, ascending, whose files and manifests are in place and were not marked before.
	Published []uint64

	// Sealed is the end of the last hour whose seal objects are known to exist; zero if the author knows none. SealedAt is
	// what the store's clock said after they were seen; it is set if one of these hours has packs.
	Sealed   time.Time
	SealedAt time.Time

	Config *Config
	Commit *Commit
	Close  *Close
	Retire *Retire
	Forget *Forget
}

// Config says what a job reads.
type Config struct {
	Generation uint64   `json:"generation"`
	Topics     []string `json:"topics"` // sorted

	// Sources are the named sources of a job that has several, as NAME=ID, sorted. The names stand before topics, lanes and
	// the sources of partitions, too: see package sourcename.
	Sources []string `json:"sources,omitempty"`

	// Logs are the numbers of partitions of logs whose keys move when they get more, for jobs with stages that see one lane
	// at a time. Ordered by Source, then Epoch.
	Logs []Log `json:"logs,omitempty"`
}

// Log is the size of a log.
type Log struct {
	Source     string `json:"source"`
	Epoch      string `json:"epoch,omitempty"`
	Partitions int    `json:"partitions"`
}

func (a Log) compare(b Log) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Epoch, b.Epoch))
}

// Retire takes a partition out of the conditions for a Close. It touches the lane.
type Retire struct {
	Lane      string
	Base      uint64 // as in LaneCommit
	Token     Token
	Partition record.Partition
	Reason    string
}

// MaxPublished is the largest number of marks in one entry.
const MaxPublished = 1024

// hasPacks reports whether e says something that only versions understand that know packs.
func (e *Entry) hasPacks() bool {
	return !e.SealedAt.IsZero() || e.Close != nil && e.Close.Merge != nil || e.Commit != nil && e.Commit.hasPacks()
}

// entryJSON is the form of an entry in the store, in the order of its fields.
type entryJSON struct {
	Format    int         `json:"format"`
	MinReader int         `json:"min_reader"`
	Kind      Kind        `json:"kind"`
	ID        uint64      `json:"id"`
	Prev      Hash        `json:"prev"`
	Token     Token       `json:"token"`
	By        string      `json:"by,omitempty"`
	Published []uint64    `json:"published,omitempty"`
	Sealed    time.Time   `json:"sealed,omitzero"`
	SealedAt  time.Time   `json:"sealed_at,omitzero"`
	Config    *Config     `json:"config,omitempty"`
	Commit    *commitJSON `json:"commit,omitempty"`
	Close     *Close      `json:"close,omitempty"`
	Retire    *retireJSON `json:"retire,omitempty"`
	Forget    *forgetJSON `json:"forget,omitempty"`
}

type retireJSON struct {
	Lane      string        `json:"lane"`
	Base      uint64        `json:"base"`
	Token     Token         `json:"token"`
	Partition partitionJSON `json:"partition"`
	Reason    string        `json:"reason"`
}

// Encode returns the object of e; equal entries have equal objects. The error matches ErrTooLong if the object would be
// longer than MaxEntry; any other error means that e is not well formed. Parts for which a Blob is set are left out.
func (e *Entry) Encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	body, err := e.encode()
	if err != nil {
		return nil, err
	}
	if len(body) > MaxEntry {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(body), MaxEntry)
	}
	return body, nil
}

func (e *Entry) encode() ([]byte, error) {
	j := entryJSON{
		Format: e.Format, MinReader: e.MinReader, Kind: e.Kind, ID: e.ID, Prev: e.Prev, Token: e.Token, By: e.By,
		Published: e.Published, Sealed: e.Sealed, SealedAt: e.SealedAt, Config: e.Config, Close: e.Close,
	}
	if e.Commit != nil {
		c, err := e.Commit.toJSON()
		if err != nil {
			return nil, err
		}
		j.Commit = c
	}
	if r := e.Retire; r != nil {
		j.Retire = &retireJSON{r.Lane, r.Base, r.Token, toPartition(r.Partition), r.Reason}
	}
	if e.Forget != nil {
		j.Forget = e.Forget.toJSON()
	}
	return pack(&j)
}

// Decode reads the object of entry id. The error is a *VersionError if a newer version is needed, else a *CorruptError.
// Parts that are in blobs are missing: see Entry.Detached.
func Decode(id uint64, body []byte) (*Entry, error) {
	object := fmt.Sprintf("entry %d", id)
	line, h, err := payload(object, body, MaxEntry)
	if err != nil {
		return nil, err
	}
	switch h.Kind {
	case KindConfig, KindCommit, KindMark, KindClose, KindRetire, KindForget:
	default:
		return nil, &VersionError{Object: object, Kind: h.Kind, Format: h.Format, MinReader: h.MinReader}
	}
	var j entryJSON
	if err := unpack(object, line, h, &j); err != nil {
		return nil, err
	}
	e := &Entry{
		Format: j.Format, MinReader: j.MinReader, Kind: j.Kind, ID: j.ID, Prev: j.Prev, Token: j.Token, By: j.By,
		Published: j.Published, Sealed: j.Sealed, SealedAt: j.SealedAt, Config: j.Config, Close: j.Close,
	}
	if j.Commit != nil {
		if e.Commit, err = j.Commit.commit(); err != nil {
			return nil, corrupt(object, "%v", err)
		}
	}
	if r := j.Retire; r != nil {
		e.Retire = &Retire{r.Lane, r.Base, r.Token, r.Partition.partition(), r.Reason}
	}
	if j.Forget != nil {
		if e.Forget, err = j.Forget.forget(); err != nil {
			return nil, corrupt(object, "%v", err)
		}
	}
	if e.ID != id {
		return nil, corrupt(object, "it says that it is entry %d", e.ID)
	}
	if err := e.check(); err != nil {
		return nil, corrupt(object, "%v", err)
	}
	return e, canonical(object, body, h, e.encode)
}
