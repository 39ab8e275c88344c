// Package service asks Kinesis about one stream: what it is, which shards it has, where to read them, and how often it may
// be asked.
package service
