module github.com/onceflow/onceflow/examples/newsroom

go 1.26.0

require (
	github.com/IBM/sarama v1.61.1
	github.com/aws/aws-sdk-go-v2 v1.47.6
	github.com/aws/aws-sdk-go-v2/credentials v1.20.14
	github.com/aws/aws-sdk-go-v2/service/kinesis v1.56.10
	github.com/aws/aws-sdk-go-v2/service/s3 v1.114.7
	github.com/aws/aws-sdk-go-v2/config v1.33.14
	github.com/onceflow/onceflow v0.0.0
	github.com/onceflow/onceflow/dedup/redis v0.0.0
	github.com/onceflow/onceflow/sink/avro v0.0.0
	github.com/redis/go-redis/v9 v9.23.0
	golang.org/x/sync v0.24.0
)
