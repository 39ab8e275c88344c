// Package kinesis is a driver.Source over one Amazon Kinesis data stream.
//
// # Promise
//
// A shard begins where the ledger says, and a new iterator is always made for the place that was reached. A partition's
// identity has the stream's time of creation in it, so a stream made again under its name has other partitions. Records
// that retention took, or that nobody can rule out it took, are reported as driver.ErrLost; the service itself goes on
// silently with the oldest record it has. The end of a shard is proved by an answer to a question asked then, that brings
// nothing, has nothing behind it and comes from an open shard.
//
// # Records
//
// A record's position is its sequence number and 1, or 1 and more in a record that the Kinesis Producer Library has packed:
// its user records are delivered one by one, so a commit may fall between two. Those whose key belongs to another shard
// are left out, as the consumer libraries of AWS do: their producer sends them again to where they belong. One that
// cannot be unpacked is one dead letter with all its bytes. Record.Time is the time of arrival.
//
// # Lanes
//
// A shard is a lane of its own. When it has ended, and that is committed, its children follow; as long as it holds records
// they are in one lane with it, since a click may come behind the split of its impression. A child of two parents waits for
// both. Local stores of IDs are filled from the ancestors' records too. See internal/lineage. A stage sees equal keys in
// one lane if they are partition keys; in a stream with AUTO distribution they are not together, which is logged.
//
// Processes share lanes by Options.Leases, by a fixed list, or one process reads all.
//
// # Limits
//
// Hours close once the closed shards that are listed are read to their ends, since what follows is in their children. A
// stream must keep records for longer than the longest stop and the longest hold together. Sequence numbers have gaps, so
// after a stop that was longer than the retention nobody can tell whether something was written and dropped meanwhile, and
// the source says that it was.
//
// The way in is Open.
package kinesis
