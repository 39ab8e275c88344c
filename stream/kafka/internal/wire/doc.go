// Package wire speaks the part of Kafka's protocol in which all the data comes: Fetch v13 with topic IDs, or v12 where a
// broker has no v13, on a connection that was opened and authenticated elsewhere.
//
// It exists because it costs a third of what the client library's Fetch does, and tells what that one cannot: a topic
// made again under its name, a truncated log, errors per partition. See https://kafka.apache.org/protocol#The_Messages_Fetch.
package wire
