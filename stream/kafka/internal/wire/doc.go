// Package wire speaks the part of Kafka's protocol that carries the data: Fetch v13 with topic IDs, or v12 where a broker
// has no v13. The connection is opened and authenticated elsewhere.
//
// It costs a third of what the client library's Fetch costs. It also reports what that one cannot: a topic made again under
// its name, a truncated log, errors per partition. See https://kafka.apache.org/protocol#The_Messages_Fetch.
package wire
