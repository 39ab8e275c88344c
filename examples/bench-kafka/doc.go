// Command bench-kafka measures what it costs to read records from Kafka: CPU time per record of this library's source, of sarama's
// consumers and of franz-go, each from the same topics of one broker, in a process of its own, in turn and several times.
//
// Each way to read reads all records, counts them and adds up their bytes; a wrong sum fails the command, a slow way never does.
// All read committed records only and check checksums. All but sarama's partition consumers are members of a group. It is a
// module of its own, so that franz-go is nobody else's dependency.
//
//	go run .                      # a million records of 300 bytes, 5 rounds
//	go run . -only 'lz4|franz'    # some cases, "codec/partitions/reader"
//
// docs/decisions has what came out.
package main
