// Package kafka measures a consumer group for a scaler: what arrives in its topics, what it commits, what waits, for how
// long, and how many members take part.
//
// All numbers come from the brokers, so the job needs no change, and they are right also while it is down. They have the
// price of that: progress shows when it is committed. A job that commits once a minute shows a lag that goes up and down
// by a minute's records, and does nothing in between; the scaler's averages and its Normal delay take care of that, as
// long as Normal is above the time between two commits.
//
// # Limits
//
// Where producers write transactions, each leaves a marker in the log that counts as a record here. On a compacted topic
// offsets are not records at all, and the lag is too large. The delay is known only as far back as the Signal has watched.
package kafka
