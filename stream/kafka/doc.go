// Package kafka is a driver.Source over the topics of one Kafka cluster.
//
// # Promise
//
// A lane begins where the ledger says, whatever offsets the consumer group has; those are written for lag monitors and
// never read. Only committed records are delivered. A partition's identity has the topic's ID in it, so a topic made
// again under its name is another partition. Positions that retention, truncation or a new topic took away are reported
// as driver.ErrLost with partition and range; nothing is skipped in silence. The end of a log is proved by the partition's
// leader, asked at that moment; silence is never taken for it.
//
// # Lanes
//
// Lane i is partition i of every topic, so records with equal keys meet if the topics have as many partitions as each
// other, which is checked, also at run time, and if their producers spread keys in the same way, which is not. With
// Options.Separate each partition is a lane of its own.
//
// # Limits
//
// Brokers from Kafka 2.8 on, which have topic IDs; topics whose batches are in message format v2. A log that was
// truncated while no reader ran, and has grown past our position since, cannot be told from one that was not: use
// min.insync.replicas of two or more, acks=all, and no unclean leader election.
//
// The way in is Open.
package kafka
