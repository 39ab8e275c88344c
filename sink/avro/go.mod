module github.com/onceflow/onceflow/sink/avro

go 1.26.0

require (
	github.com/onceflow/onceflow v0.0.0
	github.com/twmb/avro v1.9.0
)
