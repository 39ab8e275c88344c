package stream

import (
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// These are the types that users of jobs meet. Their homes have what authors of stages, sources and outputs need beside.
type (
	// Record is what a source gives. Its bytes are read-only. They are valid only while the batch that they came in is
	// processed.
	Record = record.Record

	// Header is one header of a record.
	Header = record.Header

	// Partition names one ordered log: a Kafka partition, a Kinesis shard or a file.
	Partition = record.Partition

	// Position is the place of a record in its partition.
	Position = record.Position

	// Event is a decoded record inside a job: a value with its event time, and the record that it came from.
	Event[T any] = record.Event[T]

	// Stage is one step of a job. Package stage tells how to write one.
	Stage[In, Out any] = stage.Stage[In, Out]

	// Source delivers records, and replays them after a crash. Packages kafka, kinesis and file have one.
	Source = driver.Source

	// Output makes results durable exactly once. Package sink has the usual one.
	Output[T any] = driver.Output[T]
)

// Fate is what became of a record.
type Fate = record.Fate

// The fates of records.
const (
	Written   = record.Written   // at least one row of it is in the output
	Merged    = record.Merged    // it is part of another record's row
	Filtered  = record.Filtered  // no stage and no flow wanted it
	Duplicate = record.Duplicate // another record with its ID won
	Late      = record.Late      // its hour was closed
	Dead      = record.Dead      // rejected; it has a row in the dead-letter flow
)

type (
	// Counts holds a number of records for each fate.
	Counts = record.Counts

	// Reason is why records have no row: their fate, and a label.
	Reason = record.Reason

	// PanicError says what a function under Recover panicked with, and where.
	PanicError = record.PanicError

	// StageError says which stage of which lane stopped the job.
	StageError = stage.Error

	// AddedPartitionsError says that a log has got more partitions, so that keys have moved between lanes, while a stage
	// brings together the records of one lane only. Run returns it.
	AddedPartitionsError = driver.AddedPartitionsError
)

var (
	// ErrStop is what an error of Run matches if waiting does not help and a person has to act.
	ErrStop = driver.ErrStop

	// ErrLost is what an error of Run matches if records that the ledger needs are gone from the source. Nothing was skipped.
	ErrLost = driver.ErrLost

	// ErrEventTime is why a record without a usable event time is a dead letter: see Options.Future and Options.Past.
	ErrEventTime = stage.ErrEventTime
)

// Recover turns a panic of f into an error. With it around an argument of Decode or Map, a record that makes f panic goes
// to the dead-letter flow with the place of the panic, and the job goes on. Without it the panic ends the process, and does
// so again at every start as long as the record is in the log.
//
// Only these two need it. A panic of any other function that is called for one record or event, such as Decode's at, a
// condition, a key or an encoder, always makes a dead letter.
//
// Use it where input from outside can break f, such as in a parser. It must not guard a function that changes state which
// it shares with other calls: a panic can leave that state half changed, and it would silently spoil later records. It
// guards neither goroutines that f starts nor what the runtime cannot recover from, such as too deep a recursion.
func Recover[In, Out any](f func(*In) (Out, error)) func(*In) (Out, error) { return record.Recover(f) }
