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
// A record that begins with the magic bytes and fails its checksum is a plain record, as the consumer libraries of AWS have
// it. So a damaged aggregate is one record, of which a stage that decodes it makes a dead letter.
package aggregate
