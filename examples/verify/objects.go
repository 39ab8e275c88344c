package main

import "time"

// The objects of docs/format.md, sections 3 to 7.

type genesis struct {
	header
	Job     string     `json:"job"`
	Epoch   int        `json:"epoch"`
	HourNS  int64      `json:"hour_ns"`
	Layout  string     `json:"layout"`
	Start   *time.Time `json:"start"`
	Source  string     `json:"source"`
	Shards  int        `json:"shards"`
	Shard   string     `json:"shard"`
	Created time.Time  `json:"created"`
	Token   string     `json:"token"`
}

type entry struct {
	header
	Kind      string      `json:"kind"`
	ID        uint64      `json:"id"`
	Prev      string      `json:"prev"`
	Token     string      `json:"token"`
	By        string      `json:"by,omitempty"`
	Published []uint64    `json:"published"`
	Sealed    time.Time   `json:"sealed"`
	SealedAt  time.Time   `json:"sealed_at"`
	Config    *config     `json:"config"`
	Commit    *commit     `json:"commit"`
	Close     *closeEntry `json:"close"`
	Retire    *retire     `json:"retire"`
	Forget    *forget     `json:"forget"`
}

type config struct {
	Generation uint64   `json:"generation"`
	Topics     []string `json:"topics"`
	Sources    []string `json:"sources,omitempty"`
	Logs       []log    `json:"logs,omitempty"`
}

type log struct {
	Source     string `json:"source"`
	Epoch      string `json:"epoch,omitempty"`
	Partitions int    `json:"partitions"`
}

type commit struct {
	Lanes     []laneCommit `json:"lanes"`
	Hours     []hourSum    `json:"hours"`
	BodyBlob  *blobRef     `json:"body_blob"`
	Files     []file       `json:"files"`
	FilesBlob *blobRef     `json:"files_blob"`

	Reasons     []reason   `json:"reasons,omitempty"`
	LateDropped []flowRows `json:"late_dropped,omitempty"`
}

type hourSum struct {
	Hour  time.Time `json:"hour"`
	Files int64     `json:"files"`
	Rows  int64     `json:"rows"`
	Bytes int64     `json:"bytes"`
	Packs int64     `json:"packs,omitempty"` // of the files
}

type blobRef struct {
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	At     int    `json:"at,omitempty"`
}

type laneCommit struct {
	Lane       string         `json:"lane"`
	Base       uint64         `json:"base"`
	Token      string         `json:"token"`
	Acquired   uint64         `json:"acquired,omitempty"`
	Partitions []partitionRow `json:"partitions"`
}

// partition is comparable, and so a key of maps.
type partition struct {
	Source string `json:"source"`
	Epoch  string `json:"epoch,omitempty"`
	ID     string `json:"id"`
}

// partitionRow is a partition's progress in a commit, or its state in a snapshot.
type partitionRow struct {
	partition
	UpTo         string      `json:"up_to,omitempty"`
	Pending      *pending    `json:"pending,omitempty"`
	PendingTime  time.Time   `json:"pending_time,omitzero"`
	MaxEventTime time.Time   `json:"max_event_time,omitzero"`
	Jump         *jump       `json:"jump,omitempty"`
	Watermark    time.Time   `json:"watermark,omitzero"`
	Arrived      time.Time   `json:"arrived,omitzero"`
	Mark         string      `json:"mark,omitempty"`
	Ended        bool        `json:"ended,omitempty"`
	Children     []partition `json:"children,omitempty"`
	PendingBlob  *blobRef    `json:"pending_blob,omitempty"`

	PendingBefore int    `json:"pending_before,omitempty"`
	PendingLen    int64  `json:"pending_len,omitempty"`
	Read          int64  `json:"read,omitempty"`
	Counts        counts `json:"counts,omitzero"`
}

// jump is a step of event time that waits to be confirmed.
type jump struct {
	To      time.Time `json:"to"`
	Newest  time.Time `json:"newest"`
	Records int64     `json:"records"`
}

type counts struct {
	Written   int64 `json:"written,omitempty"`
	Merged    int64 `json:"merged,omitempty"`
	Filtered  int64 `json:"filtered,omitempty"`
	Duplicate int64 `json:"duplicate,omitempty"`
	Late      int64 `json:"late,omitempty"`
	Dead      int64 `json:"dead,omitempty"`
}

func (c counts) sum() int64 {
	return c.Written + c.Merged + c.Filtered + c.Duplicate + c.Late + c.Dead
}

func (c counts) plus(d counts) counts {
	return counts{
		c.Written + d.Written, c.Merged + d.Merged, c.Filtered + d.Filtered, c.Duplicate + d.Duplicate, c.Late + d.Late, c.Dead + d.Dead,
	}
}

func (c counts) negative() bool {
	return min(c.Written, c.Merged, c.Filtered, c.Duplicate, c.Late, c.Dead) < 0
}

type file struct {
	Flow   string    `json:"flow"`
	Kind   string    `json:"kind"`
	Hour   time.Time `json:"hour"`
	Key    string    `json:"key"`
	Offset int64     `json:"offset"`
	Length int64     `json:"length"`
	Rows   int64     `json:"rows"`
	CRC32C uint32    `json:"crc32c"`
	Ref    []byte    `json:"ref"`

	Contents *span `json:"contents"` // of a pack
}

// span is a part of an object.
type span struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	CRC32C uint32 `json:"crc32c"`
}

type closeEntry struct {
	From       time.Time `json:"from"`
	Through    time.Time `json:"through"`
	At         time.Time `json:"at"`
	LatenessNS int64     `json:"lateness_ns"`
	EmptyHours int64     `json:"empty_hours"`
	Listed     int64     `json:"listed"`
	ListedHash string    `json:"listed_hash"`
	Flows      []string  `json:"flows"`
	Merge      *merge    `json:"merge"`
	Seal       string    `json:"seal"`
	Generation uint64    `json:"generation"`
}

// merge says how packs become files.
type merge struct {
	FileBytes int64 `json:"file_bytes"`
	UnitBytes int64 `json:"unit_bytes"`
}

// record says into which files a unit was merged.
type record struct {
	header
	Close uint64       `json:"close"`
	Hour  time.Time    `json:"hour"`
	Flow  string       `json:"flow"`
	First int          `json:"first"`
	Slots int          `json:"slots"`
	Token string       `json:"token"`
	Rows  int64        `json:"rows"`
	Files []mergedFile `json:"files"`
}

type mergedFile struct {
	Key    string `json:"key"`
	Length int64  `json:"length"`
	Rows   int64  `json:"rows"`
	CRC32C uint32 `json:"crc32c"`
	Ref    []byte `json:"ref"`
}

type retire struct {
	Lane      string    `json:"lane"`
	Base      uint64    `json:"base"`
	Token     string    `json:"token"`
	Partition partition `json:"partition"`
	Reason    string    `json:"reason"`
}

type forget struct {
	Over       []byte `json:"over"`
	Gone       []byte `json:"gone"`
	Generation uint64 `json:"generation"`
}

// chunk is an object that snapshots name.
type chunk struct {
	header
	Changes []byte `json:"changes"`
}

type snapshotFinished struct {
	Chunks []string `json:"chunks,omitempty"`
	Tail   []byte   `json:"tail,omitempty"`
}

type blob struct {
	header
	Files []file       `json:"files"`
	Sets  []pendingSet `json:"sets"`
	Lanes []laneCommit `json:"lanes"`
	Hours []hourSum    `json:"hours"`
}

// pendingSet is a whole pending set, or how it differs from the one before it.
type pendingSet struct {
	Pending *pending     `json:"pending,omitempty"`
	Step    *pendingStep `json:"step,omitempty"`
}

type owner struct {
	header
	By    string      `json:"by,omitempty"`
	Lanes []ownedLane `json:"lanes"`
}

type ownedLane struct {
	Lane  string   `json:"lane"`
	Token string   `json:"token"`
	Index uint64   `json:"index"`
	From  []string `json:"from,omitempty"`
	Since uint64   `json:"since,omitempty"`
	Parts int      `json:"parts,omitempty"`
}

type snapshot struct {
	header
	Genesis     string                `json:"genesis"`
	Last        uint64                `json:"last"`
	Hash        string                `json:"hash"`
	Config      *config               `json:"config,omitempty"`
	Closed      time.Time             `json:"closed,omitzero"`
	ClosedEntry uint64                `json:"closed_entry,omitempty"`
	ClosedAt    time.Time             `json:"closed_at,omitzero"`
	Sealed      time.Time             `json:"sealed,omitzero"`
	Seals       []sealedAt            `json:"seals,omitempty"`
	Read        int64                 `json:"read,omitempty"`
	Counts      counts                `json:"counts,omitzero"`
	Rows        int64                 `json:"rows,omitempty"`
	Lanes       []snapshotLane        `json:"lanes,omitempty"`
	Partitions  []snapshotPartition   `json:"partitions,omitempty"`
	Unpublished []snapshotUnpublished `json:"unpublished,omitempty"`
	Hours       []snapshotHour        `json:"hours,omitempty"`
	Floor       uint64                `json:"floor,omitempty"`
	Over        int64                 `json:"over,omitempty"`
	Finished    *snapshotFinished     `json:"finished,omitempty"`
}

// sealedAt says that all hours through one were known to be sealed at a time.
type sealedAt struct {
	Through time.Time `json:"through"`
	At      time.Time `json:"at"`
}

type snapshotLane struct {
	Lane    string `json:"lane"`
	Version uint64 `json:"version"`
	Token   string `json:"token"`
}

type snapshotPartition struct {
	Lane string `json:"lane"`
	partitionRow
	PendingBlobs []*blobRef `json:"pending_blobs,omitempty"`
	Retired      bool       `json:"retired,omitempty"`
}

type snapshotUnpublished struct {
	Entry uint64      `json:"entry"`
	Hours []time.Time `json:"hours,omitempty"`
}

type snapshotHour struct {
	hourSum
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}
