// Package kafka is a driver.Source over the topics of one Kafka cluster.
//
// # Promise
//
// A lane begins where the ledger says. The consumer group's offsets are written for lag monitors and never read. Only
// committed records are delivered. A partition's identity contains the topic's ID, so a topic made again under its name has
// other partitions. If retention, truncation or a new topic took positions away, the source reports driver.ErrLost with
// partition and range, and skips nothing. The partition's leader proves the end of a log, when it is asked; silence proves
// nothing.
//
// # Lanes
//
// Lane i is partition i of every topic. So records with equal keys meet, if all topics have as many partitions and their
// producers spread keys in the same way. The source checks the numbers of partitions, also at run time; it cannot check the
// producers. With Options.Separate each partition is a lane of its own.
//
// # Limits
//
// The source needs brokers from Kafka 2.8 on, which have topic IDs, and topics with batches in message format v2. If a log
// was truncated while no reader ran, and has grown past our position since, nobody can see it. To prevent that use
// min.insync.replicas of two or more, acks=all, and no unclean leader election.
//
// The way in is Open.
package kafka
