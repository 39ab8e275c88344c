// Package batch decodes Kafka record batches (message format v2) without allocating per record.
//
// Layout and rules are those of https://kafka.apache.org/documentation/#recordbatch. A batch is checked before it is
// believed: its CRC-32C, its size after decompression, and the number, size, order and offsets of its records.
//
// # Limits
//
// It refuses message formats v0 and v1, which brokers have not written since Kafka 0.11 became their format.
package batch
