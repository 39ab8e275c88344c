// Package kinesis is a driver.Source over one Amazon Kinesis data stream.
//
// # Promise
//
// A shard begins where the ledger says, and every new iterator is made for the position that was reached. A partition's
// identity contains the stream's time of creation, so a stream made again under its name has other partitions. The service
// silently goes on with the oldest record it has. This source reports driver.ErrLost if retention took records, or if
// nobody can rule that out. The end of a shard is proved by an answer of an open shard that brings nothing and has nothing
// after it, to a question asked at that moment.
//
// # Records
//
// A record's position is its sequence number and 1. A record that the Kinesis Producer Library has packed has 1 and more:
// its user records are delivered one by one, so a commit may fall between two. User records whose key belongs to another
// shard are left out, as in the consumer libraries of AWS: their producer sends them again to where they belong. A record
// that cannot be unpacked becomes one dead letter with all its bytes. Record.Time is the time of arrival.
//
// # Lanes
//
// A shard is a lane of its own. Once its end is committed, its children follow. While it holds records they are in one lane
// with it, since a click may come behind the split of its impression. A child of two parents waits for both. Local stores
// of IDs are also filled from the ancestors' records. See internal/lineage. A stage sees equal keys in one lane if they are
// partition keys. In a stream with AUTO distribution they are not together, which is logged.
//
// Processes share lanes by Options.Leases or by fixed lists, or one process reads all.
//
// # Limits
//
// Hours close only after the listed closed shards are read to their ends, since what follows is in their children. A stream
// must keep records for longer than the longest stop and the longest hold together. Sequence numbers have gaps, so after a
// stop longer than the retention nobody can tell whether records were written and dropped meanwhile. Then the source
// reports a loss.
//
// The way in is Open.
package kinesis
