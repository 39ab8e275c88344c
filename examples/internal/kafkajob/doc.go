// Package kafkajob is what the examples kafka-to-s3 and kafka-to-gcs have in common: all but the store. Each topic becomes
// a flow, a folder of its name, with the records as they are, a line each.
package kafkajob
