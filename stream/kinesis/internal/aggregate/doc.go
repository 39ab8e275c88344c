// Package aggregate reads the records into which the Kinesis Producer Library packs many user records.
//
// The format is the published one (https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md):
// four magic bytes, a protobuf message with two tables of keys and the user records, and the MD5 of the message.
//
// # Promise
//
// All or nothing: an aggregate is checked to its last byte before a record of it is returned. So a broken one is one error
// and never a part of its records. Records are slices of the aggregate; nothing is copied.
//
// # Limits
//
// The consumer libraries of AWS take an aggregate with a wrong MD5 for a plain record. Here it is an error, since a stage
// that decodes it would find noise. The caller sends it to the dead letters.
package aggregate
