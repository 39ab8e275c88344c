// Package cluster asks a Kafka cluster for everything but records: which topics, partitions, leaders and settings there are, where
// logs begin and end. It opens the connections on which others fetch, too.
package cluster
