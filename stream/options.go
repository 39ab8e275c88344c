package stream

import (
	"log/slog"
	"time"
)

// Options are the optional settings of Run; nil means all defaults.
type Options struct {
	// CommitEvery is the longest time between two commits: the delay of output and the work redone after a crash. It is
	// jittered by 10 % so that instances do not commit together.
	//
	// Defaults to 1 minute.
	CommitEvery time.Duration

	// CommitBytes commits early once this much was staged.
	//
	// Defaults to 1 GiB. -1 disables.
	CommitBytes int64

	// Memory bounds the bytes in flight, held and buffered; at the bound the source is paused.
	//
	// Defaults to a quarter of the memory limit of the process (GOMEMLIMIT), else 512 MiB.
	Memory int64

	// Shutdown is how long the last commit may take after ctx has ended.
	//
	// Defaults to 20 seconds.
	Shutdown time.Duration

	// Future is how far an event time may be ahead of the output's clock; records beyond it are dead-lettered and move
	// no clock. So are records whose event time is missing: zero, or within a day of 1970-01-01.
	//
	// Defaults to 1 hour.
	Future time.Duration

	// Parallel is the number of lanes processed at once.
	//
	// Defaults to GOMAXPROCS.
	Parallel int

	// KeepRecords keeps the bytes of held records, for dead letters of stages that reject them late.
	KeepRecords bool

	// Observe is called every second and at every commit, by one goroutine at a time; feed health checks, metrics and
	// the scaler. It must not block.
	Observe func(Status)

	// Logger gets one line for each commit, seal, fence and rebalance.
	//
	// Defaults to discarding.
	Logger *slog.Logger

	// Progress is where a line about progress is kept up to date, if it is a terminal, such as os.Stderr. nil is none.
	Progress Terminal

	// Now is the wall clock, for tests.
	Now func() time.Time
}

// Terminal is an *os.File.
type Terminal interface {
	Write([]byte) (int, error)
	Fd() uintptr
}

// Status is a snapshot of a running job.
type Status struct {
	Lanes, Held, Bytes int64
	Lag                Lag
	Delay              time.Duration // wall clock minus the smallest Seen; zero if unknown
	EarliestHour       time.Time
	LastCommit         time.Time
	OldestHeld         time.Time // event time of the oldest record that a restart would read again; zero if none
	Read               int64     // records since Run began
	Rate               float64   // records a second, over the last 10 seconds
	Counts             Counts    // since Run began, committed
	Commits, Fenced    int64
	Stalled            error // work without progress; nil is healthy
	Ready              bool  // lanes are assigned and their held records are back
	ShuttingDown       bool
}
