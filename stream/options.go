package stream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// Options are the optional settings of Run; nil means all defaults.
type Options struct {
	// CommitEvery is the longest time between two commits. It bounds the delay of output and the work redone after a crash.
	// It is jittered by 10 % so that instances do not commit together.
	//
	// Defaults to 1 minute.
	CommitEvery time.Duration

	// CommitBytes commits early once this much was staged.
	//
	// Defaults to 1 GiB. -1 disables.
	CommitBytes int64

	// Memory bounds the bytes in flight, pending and buffered. At the bound the engine pauses the source.
	//
	// Defaults to a quarter of the memory limit of the process (GOMEMLIMIT), else 512 MiB.
	Memory int64

	// Shutdown is how long the last commit may take after ctx has ended. It commits what was finished by then. The next run
	// reads queued records again.
	//
	// Defaults to 20 seconds.
	Shutdown time.Duration

	// Future is how far an event time may be ahead of the output's clock. A record beyond it becomes a dead letter and
	// moves no clock. So does a record whose event time is missing: zero, or within a day of 1970-01-01.
	//
	// Defaults to 1 hour.
	Future time.Duration

	// Past is how far an event time may be behind the output's clock. A record beyond it becomes a dead letter and moves no
	// clock. Such times are seldom meant: null dates become years like 1601, 1753, 1899 or 1900, and seconds read as
	// milliseconds become January 1970. One among the first records would set the job's first hour.
	//
	// Defaults to 30 years (of 365 days). -1 disables; then a time must still be 0001-01-02 or later, and not missing.
	Past time.Duration

	// KeysInLanes says that records with equal keys are never in two lanes, as where files are cut by the key, or that it
	// does not matter if they do not meet. Without it Run stops with a *ScatteredError where equal keys may be in several
	// lanes and a stage sees one lane at a time: a join, a count, dedup with a local store. That concerns files, and Kafka
	// topics that got more partitions since the job began.
	KeysInLanes bool

	// Backfill, if positive, says that the job reads events of long ago: a copy of a topic, a folder that gets old files.
	//
	// In a live job a proof that a log has ended moves event time to now, so that hours close though nothing comes. In a
	// backfill a pause of seconds would then close all hours until now before the next old event comes. So there a proof
	// only confirms what was read. Once the process has read nothing, and all its partitions have been at their ends, for
	// as long as Backfill says, by the output's clock, what was read counts as complete. Then clocks go to the end of the
	// newest event's hour plus the lateness, so that the last hour closes, and from there on at the pace of the output's
	// clock.
	//
	// All processes of a job must have the same value. Use 2 hours for a folder that gets a file an hour, and 5 minutes for
	// a topic that is filled once.
	//
	// Defaults to 0: the job is live.
	Backfill time.Duration

	// Patience is how long the output may fail to take commits, or to give lanes, before Run ends with the error, so that
	// something else can start the process again. What was not committed is read again then.
	//
	// Defaults to 0: Run waits for the output without end.
	Patience time.Duration

	// Parallel is the number of lanes processed at once.
	//
	// Defaults to GOMAXPROCS.
	Parallel int

	// KeepRecords keeps the bytes of pending records, for dead letters of stages that reject them late.
	KeepRecords bool

	// Observe is called every second and at every commit, by one goroutine at a time. Feed health checks, metrics and the
	// scaler from it. It must not block.
	Observe func(Status)

	// Instance names this process in its log lines, in Status, and in what the sink writes to the ledger: in entries and in
	// owner objects. So a person can tell which process wrote a file or has a lane. Nothing is decided by it, and equal names
	// do no harm. What cannot be printed is replaced by an underscore, and what is longer than 100 bytes is cut off.
	//
	// Defaults to the name of the host, which in Kubernetes is that of the pod.
	Instance string

	// Logger gets one line for each commit, seal, fence and rebalance.
	//
	// Defaults to discarding.
	Logger *slog.Logger

	// Progress is where a line about progress is kept up to date, such as os.Stderr, if it is a terminal. nil is none.
	Progress Terminal

	// Now is the machine's clock, for tests. It dates dead letters. Stages get it as stage.Lane.Now. Status.Delay uses it
	// until the output's clock is known. All waiting uses monotonic time, since the machine's clock may be set at any
	// moment.
	Now func() time.Time
}

// filled returns the options with defaults, or says what is wrong with them.
func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	var errs []error
	check := func(name string, v, least int64) {
		if v < least {
			errs = append(errs, fmt.Errorf("stream: Options.%s is %d, want at least %d", name, v, least))
		}
	}
	check("CommitEvery", int64(f.CommitEvery), 0)
	check("CommitBytes", f.CommitBytes, -1)
	check("Memory", f.Memory, 0)
	check("Shutdown", int64(f.Shutdown), 0)
	check("Future", int64(f.Future), 0)
	check("Backfill", int64(f.Backfill), 0)
	check("Past", int64(f.Past), -1)
	check("Patience", int64(f.Patience), 0)
	check("Parallel", int64(f.Parallel), 0)
	f.CommitEvery = cmp.Or(f.CommitEvery, time.Minute)
	f.CommitBytes = cmp.Or(f.CommitBytes, 1<<30)
	f.Memory = cmp.Or(f.Memory, defaultMemory())
	f.Shutdown = cmp.Or(f.Shutdown, 20*time.Second)
	f.Future = cmp.Or(f.Future, time.Hour)
	f.Past = cmp.Or(f.Past, 30*365*24*time.Hour)
	f.Parallel = cmp.Or(f.Parallel, runtime.GOMAXPROCS(0))
	f.Instance = instanceName(f.Instance)
	f.Logger = cmp.Or(f.Logger, slog.New(slog.DiscardHandler)).With("instance", f.Instance)
	if f.Now == nil {
		f.Now = time.Now
	}
	return f, errors.Join(errs...)
}

func defaultMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return max(limit/4, 1)
	}
	return 512 << 20
}

// Terminal is an *os.File.
type Terminal interface {
	Write([]byte) (int, error)
	Fd() uintptr
}

// CommitStatus is what a commit did.
type CommitStatus struct {
	Began, Ended time.Time
	Reason       string // as in the log line of the commit
	Entry        uint64 // of the ledger; 0 if nothing had to be written
	Lanes        int
	Read         int64 // records that were read for the first time
	Counts       Counts
	Files        map[driver.FileKind]driver.FileSum
	driver.CommitTimes
}

// Status is a snapshot of a running job.
type Status struct {
	Instance              string // Options.Instance
	Lanes, Pending, Bytes int64
	Memory                int64 // Options.Memory, which bounds Bytes

	// Lag is how far the job is behind its logs. Lag.Records counts what the source has not delivered yet, and Uncommitted; it
	// is -1 if the source does not know. Uncommitted counts the records that were delivered and are not committed, those of
	// batches that wait included. Pending records that are committed as such are in neither.
	Lag         driver.Lag
	Uncommitted int64

	// Delay is how far the output's clock is ahead of the event time that is committed, of the lane that is farthest behind.
	// While the output is away it grows. It is -1 if nothing is known of a lane's event time, as before its first record.
	Delay time.Duration

	EarliestHour  time.Time
	LastCommit    time.Time
	OldestPending time.Time // event time of the oldest record that a restart would read again; zero if none
	Read          int64     // records since Run began
	Rate          float64   // records a second, over the last 10 seconds
	Counts        Counts    // since Run began, committed

	// Reasons counts the committed records without a row since Run began, by reason; of more than 64 reasons the rest is
	// "other" of its fate. LateRows counts the rows that came too late for their hour, by flow. Do not change either.
	Reasons  map[Reason]int64
	LateRows map[string]int64

	// Fruitless is set when none of the records of several commits has got a row in its hour: all were dead letters, late or
	// duplicates. Counts and Reasons say more. nil is well. A job that reads again what another has written may mean that.
	Fruitless error

	Commits, Fenced int64

	// Commit is the last one, nil before the first. Files adds up the files of all of them, and Took their times. Do not
	// change any of them.
	Commit *CommitStatus
	Files  map[driver.FileKind]driver.FileSum
	Took   driver.CommitTimes

	// Entry is the last one of the ledger that this process knows of, and Outrun how often another process was faster to take
	// a place there. Unpublished is the number of commits whose files are not known to be in place. Closed and Sealed are the
	// ends of the last hours that are; zero if none is. Upkeep looks at all of it every few seconds.
	Entry          uint64
	Outrun         int64
	Unpublished    int
	Closed, Sealed time.Time

	Jumps    int64         // partitions of this process whose clocks wait for records that confirm a jump
	Jump     WaitingJump   // the one of them that is farthest ahead
	OddTimes int64         // times of records (Record.Time) that no ledger can hold, and that were taken for none
	Merge    *driver.Merge // of the earliest hour that is closed and not sealed; nil if none is being merged
	Unclosed error         // why hours do not close until a person does something; nil is well

	// Stalled is why work makes no progress; nil is healthy. An outage of the output or of the source shows up here after a
	// minute. Whatever the reason, work that waits for a commit for longer than two and a half Options.CommitEvery, and 20
	// seconds, does.
	Stalled error

	Housekeeping error // see Upkeep; a process is healthy all the same
	Ready        bool  // lanes are assigned and acquired, and their pending records are back
	ShuttingDown bool
}
