// Package kinesis sends lines of batches to a stream of Kinesis. Its Sender is an audit.Sender, for a Batcher and for audit.Run.
//
// A line becomes a record, with its mark in front of the data (audit.Mark.AppendPrefix), since Kinesis has no headers. The stage
// audit.Count takes the mark away; other consumers of the stream see it.
//
// Lines of a key go to the shard of that key. A line without a key gets one of its batch and number, so that it goes there
// again when it is sent again.
//
// # Limits
//
// Each line is a record of its own, and a shard takes 1,000 records a second. Lines are not packed together as Amazon's
// Producer Library does.
package kinesis
