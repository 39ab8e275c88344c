// Package kinesis reads records from an Amazon Kinesis data stream, so that a job takes each of them into account exactly
// once, through splits, merges, throttling and crashes.
package kinesis
