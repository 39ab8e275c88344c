package driver

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/record"
)

// Source delivers the records of the lanes assigned to this process. One goroutine at a time calls Poll, Start, Pause and
// Close; AtEnd and Partitions may be called concurrently with them and with each other.
//
// An error of a method stops the job unless its comment says otherwise: a source retries by itself what may pass. Errors of
// AtEnd and Partitions are logged and the call is repeated, unless they match ErrLost.
type Source interface {
	// Info names the source. It is called before anything else and must not change.
	Info() SourceInfo

	// Poll blocks until it has something to return or ctx is done. Then it loses nothing: the next Poll returns what it
	// had. The engine ends ctx to call Start and Pause. Assignments come through Poll, too, so they fall between batches
	// and no callback runs beside the engine. When Poll is called after a Batch with Revoked lanes, these have been
	// committed or given up. io.EOF means that all partitions have ended, none will ever come, and everything was
	// delivered.
	Poll(ctx context.Context) (*Batch, error)

	// Start begins a lane that Poll assigned, or begins it again. After Start has returned, batches of the lane that were
	// read before must not be delivered. Poll first delivers the pending records of all partitions of the lane, and nothing
	// else. Then it delivers what follows UpTo. Partitions that have ended, by their Progress, deliver their pending
	// records only. If the log no longer has a pending position, or the one after UpTo, Start or a later Poll fails with an
	// error that matches ErrLost.
	Start(ctx context.Context, s Start) error

	// Pause stops or resumes the delivery of a lane's records, for back-pressure. At most one more batch comes after it.
	Pause(lane string, on bool)

	// AtEnd asks the service, now and not from a cache, which logs end at the given positions, the last ones consumed. A
	// log ends there if nothing follows but what is never delivered, such as control and aborted records, and no
	// transaction is open. AtEnd returns the partitions for which that is proved, also beside an error.
	AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error)

	// Partitions asks the service, not a cache, which partitions exist now, read or not. Seals depend on it.
	Partitions(ctx context.Context) ([]record.Partition, error)

	Close() error
}

// Reporter is a Source that tells how it is.
type Reporter interface {
	// Health is called often and must answer from memory.
	Health() Health
}

// Health is how a source is.
type Health struct {
	Lag Lag

	// Stalled says what should make progress and does not, and since when: a broker that does not answer, a batch that
	// cannot be decoded. The rest of the source goes on. nil is healthy.
	Stalled error
}

// Lag is how far a source is behind its logs; fields are -1 or zero where unknown.
type Lag struct {
	Records   int64         // between what was delivered and the ends of the logs
	Retention time.Duration // until the log would drop the oldest record that a restart would read
}

// SourceInfo names a source.
type SourceInfo struct {
	// ID identifies what is read: "kafka:<cluster ID>", "file". The first run of a job fixes it, and another ID is refused.
	ID string

	// Topics are the logs that the source was told to read, sorted. A new one needs a new Config generation.
	Topics []string

	// Keys says which lanes can have records with equal keys.
	//
	// Defaults to KeysAnywhere.
	Keys Keys

	// Compacted are the logs that drop records by key, sorted. A replay may not bring such records back, so Run refuses
	// these logs with stages that hold records or decide which of several records wins.
	Compacted []string

	// FromZero says that the source's own tools number records from 0, as Kafka's do with offsets: their record 41 has the
	// Position.Sub 42. See Print.
	FromZero bool

	// Follows says that the source starts lanes by what is committed, as that of a stream whose shards split does. Run
	// refuses such a source if it is no Follower, since something that wraps it hides the methods.
	Follows bool

	// LanesEnd says that lanes end one by one, as files do. Such a source must be a Follower, too, whose Finish is called.
	// Without it the engine keeps the memory of ended lanes until Run ends.
	LanesEnd bool

	// Folders are the absolute paths of the local folders that are read. Their subfolders are read, too, except those whose
	// names begin with a dot or an underscore. Run refuses an output in there, since the job would read its own rows.
	Folders []string

	// Sources are those that this one is made of, by their names; nil if it is one. See stream.Sources.
	Sources map[string]SourceInfo
}

// Named lists the sources that it is made of and that have a name, as NAME=ID, sorted.
func (i *SourceInfo) Named() (list []string) {
	for _, name := range slices.Sorted(maps.Keys(i.Sources)) {
		if name != "" {
			list = append(list, sourcename.Join(name, i.Sources[name].ID))
		}
	}
	return list
}

// Print returns the position of a record of p as the source's own tools print it, for errors, logs and dead letters.
func (i *SourceInfo) Print(p record.Partition, at record.Position) string {
	zero := i.FromZero
	if i.Sources != nil {
		name, _ := sourcename.Split(p.Source)
		zero = i.Sources[name].FromZero
	}
	if zero && at.Seq == "" && at.Sub > 0 {
		at.Sub--
	}
	return at.String()
}

// Start says where a lane begins.
type Start struct {
	Lane string

	// From holds every partition of the lane; a zero Progress is the first record of the log.
	From map[record.Partition]Progress

	// Warmup, if positive, asks for finished records again: those at or below UpTo, not pending, whose event time may be
	// WarmFrom or later. More may come. They are delivered before everything else, in Batches with Warm set. Warmup itself is
	// how much event time the stages need, for a source that knows how long its logs keep records.
	Warmup time.Duration

	// WarmFrom is one time for all partitions of the lane: those that are ahead are read again from there, too. The zero
	// time asks for all finished records that the logs still have.
	WarmFrom time.Time
}

// Batch is the result of one Poll. It belongs to the engine until Release is called.
type Batch struct {
	// Assigned lanes wait for Start. Revoked lanes may still commit until Deadline; zero is none.
	Assigned []Assignment
	Revoked  []string
	Deadline time.Time

	// Records are of partitions of Lane; those of one partition are in order.
	Lane    string
	Records []record.Record
	Bytes   int64 // memory that Records keep busy
	Warm    bool  // Records are for Warmer only

	// WarmDone says that with this batch all warm-up records of Lane have been delivered.
	WarmDone bool

	// Ended partitions of Lane give no record after the ones in this and earlier batches.
	Ended []Ended

	// Unreadable are records of Lane that exist but cannot be read, such as a corrupt aggregate. Each is consumed and goes
	// to the dead-letter flow, with its error.
	Unreadable []DeadLetter

	// Passed are stretches of partitions of Lane, behind the records of this and earlier batches, that hold nothing to
	// deliver: control and aborted records, holes left by compaction. The engine takes them as consumed, so that a restart
	// does not ask for them after the log has dropped them. They alone cause no commit.
	Passed []Passed

	// Undated says that the times of Records are not those at which they came into their logs: a producer set them, or all
	// records of a file have its time. Then Arrivals alone move Progress.Arrived.
	Undated bool

	// Arrivals say how far Lane has got, in the time of those who write to its logs, once this batch is consumed. They alone
	// cause no commit.
	Arrivals []Arrival

	// Marks are of partitions of Lane, those of one partition in order.
	Marks []Mark

	// Done is called, by any goroutine, once Records and their bytes are no longer used; nil does nothing. A source must
	// not wait for it before it delivers more: while pending records come back, the engine keeps all their batches.
	Done func()
}

// Passed is a stretch of a partition that holds nothing to deliver; UpTo is its last position, inclusive.
type Passed struct {
	Partition record.Partition
	UpTo      record.Position
}

// Arrival says that all that came into a partition until At is in this batch or was before it.
type Arrival struct {
	Partition record.Partition
	At        time.Time

	// Machine says that At is by the clock of this process, with its monotonic reading. The engine makes it the output's.
	Machine bool
}

// Release calls Done, if there is one.
func (b *Batch) Release() {
	if b.Done != nil {
		b.Done()
	}
}

// Assignment is a lane that this process is to read.
type Assignment struct {
	Lane       string
	Partitions []record.Partition

	// Elders are partitions outside the lane that partitions of the lane took over from. A warm-up may bring their records.
	Elders []record.Partition

	// InOrder says that the lane lists its partitions by event time: the records of one are older than those of the next,
	// except for some disorder at the borders. Then partitions that have given no record yet do not hold event time back
	// for the stages; they do for hours.
	InOrder bool

	// Moved says that a partition was in another lane before. The engine commits the move soon, even if there is nothing to
	// read: until then nobody else can take the lane.
	Moved bool
}

// Ended says that no record will ever follow in Partition. Children take its place, in the same ledger entry.
type Ended struct {
	Partition record.Partition
	Children  []record.Partition
}

// DeadLetter is a record that could not be processed. Its event time is not known, so it is stored under the hour at which
// it was read, outside the hours that are sealed.
type DeadLetter struct {
	Record record.Record // Value is nil if the record was pending and stream.Options.KeepRecords is off
	Stage  string
	Err    error
	Read   time.Time // wall clock

	// Position is the record's as the source's own tools print it. The engine sets it: see SourceInfo.Print.
	Position string
}
