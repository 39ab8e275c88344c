// Package cluster asks a Kafka cluster for everything except records: topics, partitions, leaders, settings, and where logs
// begin and end. It also opens the connections on which others fetch.
package cluster
