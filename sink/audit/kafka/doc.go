// Package kafka sends lines of batches to a topic of Kafka. Its Sender is an audit.Sender, for a Batcher and for audit.Run.
//
// A line becomes a record with the line's key, value and time, and its mark in the record header audit.Header. A job's source and
// other consumers of the topic see the records as they were before.
//
// # Way in
//
// [Config] has the settings of a producer that loses nothing, [New] makes a Sender of a producer with these. The producer is
// the caller's, who closes it.
//
// # Limits
//
// A line has the time of its event, and brokers refuse what is too far from their own: by default, from Kafka 4.0 on, more than an
// hour ahead (message.timestamp.after.max.ms). Such a line is refused for good, as one above max.message.bytes is. Refuse these
// before you accept them. A time before 1970 or after 2262 becomes the nearest one between.
//
// Lines with a key go where [Partitioner] sends that key. Who changes the number of a topic's partitions, or produces to it with
// another partitioner, sends copies of a line to other partitions, where dedup with a local store does not know them.
package kafka
