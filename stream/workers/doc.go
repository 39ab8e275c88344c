// Package workers gives a job more parallelism than its source has partitions, and work that answers later, such as a look-up
// in a profile store or a call of a model.
//
// # Promise
//
// A [Partitioner] splits the records of a lane into sub-partitions. Each has a [Task] of its own, whose methods are called by
// one goroutine at a time. A record is started when the one before it in its sub-partition is finished (or when fewer than
// [Options.InFlight] are not), so its results are emitted in that order. A slow, failing or paused sub-partition does not stop
// its siblings. A record that no task has finished is pending: the records after it are committed, and a restart reads it
// again, alone. So each record takes effect once, in whatever order tasks answer and whenever the process dies.
//
// A record is finished by the first answer of its current attempt. Answers that come again, after the attempt's time or after
// the task was closed are ignored and counted. What an attempt does outside of the job happens at least once.
//
// # Bad input
//
// A record that fails, panics or is not answered within [Options.Timeout] is tried again, becomes a dead letter or stops the
// job, as [Options.Failed] says. A call that does not even return is left to itself after twice the timeout: its task is
// replaced, and its sub-partition goes on. If as many calls as [Options.Parallel] hang at the same time, the job stops with
// an [Error]. A record for which the partitioner panics, or gives an index out of range, is a dead letter. A partitioner
// that gives another index when a record is read again does no harm, and is counted. An Accept that never says yes holds up
// its own sub-partition, and [Workers.Status] tells its name and age.
//
// # Limits
//
// The order is that of each sub-partition since the lane was acquired. Nothing of a task is saved. Records wait in memory,
// since a log cannot be read around some of its records: once Count times [Options.Queue] bytes of a lane wait, no more of
// the lane is read, and its sub-partitions go on with what they have. Stages that decide who is first, such as dedup, and
// stages with a warm-up come before workers, as before every stage that holds records.
//
// # Way in
//
// [New] with [Func] for a function that answers at once, or with tasks of your own; workerstest for their tests.
package workers
