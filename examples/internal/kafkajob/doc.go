// Package kafkajob is what the examples kafka-to-s3 and kafka-to-gcs have in common: a linejob that reads Kafka.
package kafkajob
