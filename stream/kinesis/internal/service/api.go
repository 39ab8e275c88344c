package service

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
)

// API is what the source uses of *kinesis.Client. Tests have a double.
type API interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)

	RegisterStreamConsumer(context.Context, *kinesis.RegisterStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error)
	DescribeStreamConsumer(context.Context, *kinesis.DescribeStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error)
	SubscribeToShard(context.Context, *kinesis.SubscribeToShardInput, ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error)
}

// ServerTime is the service's clock at its answer, to the second. If the answer has no time it is asked, the time of the
// request.
func ServerTime(m middleware.Metadata, asked time.Time) time.Time {
	if t, ok := awsmiddleware.GetServerTime(m); ok && !t.IsZero() {
		return t.UTC()
	}
	return asked.UTC()
}

// Clock continues the service's clock at its answer by monotonic time. It is for answers that come in many parts, which
// have no time of their own. The machine's clock may differ, and may be set meanwhile.
func Clock(m middleware.Metadata, asked time.Time) func() time.Time {
	told, began := ServerTime(m, asked), time.Now()
	return func() time.Time { return told.Add(time.Since(began)) }
}
