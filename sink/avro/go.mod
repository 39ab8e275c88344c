module github.com/onceflow/onceflow/sink/avro

go 1.26.0

require (
	github.com/klauspost/compress v1.20.3
	github.com/onceflow/onceflow v0.0.0
	github.com/twmb/avro v1.9.0
)

require (
	github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream v1.7.26 // indirect
	github.com/aws/smithy-go v1.28.8 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
	golang.org/x/sync v0.24.0 // indirect
)
