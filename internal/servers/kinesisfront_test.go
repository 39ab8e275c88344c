package servers_test

import (
	"errors"
	"path"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// startup is how long a stream may take to be there.
const startup = time.Minute

const shard0 = "shardId-000000000000"

func TestAFrontOfKinesis(t *testing.T) {
	k := servertest.KinesisLocal(t)
	for name, f := range map[string]func(*testing.T, *servers.Kinesis){
		"LetsTheSDKSubscribe": letsTheSDKSubscribe, "LimitsReadsOfAShard": limitsReadsOfAShard,
		"ExpiresIterators": expiresIterators, "CutsAnswers": cutsAnswers,
	} {
		t.Run(name, func(t *testing.T) { f(t, k) })
	}
}

// kinesisFront starts a front and makes a stream of one shard and one record.
func kinesisFront(t *testing.T, k *servers.Kinesis) (*servers.KinesisFront, *kinesis.Client, *types.StreamDescriptionSummary) {
	t.Helper()
	f, err := k.Front(t.Context(), servertest.Need(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	c := kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(f.Endpoint()), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	again := func(o *kinesis.Options) { o.Retryer = retry.NewStandard() }
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: stream(t), ShardCount: aws.Int32(1)}, again); err != nil {
		t.Fatal(err)
	}
	w := kinesis.NewStreamExistsWaiter(c, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second })
	if err := w.Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: stream(t)}, startup); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: stream(t), PartitionKey: aws.String("k"), Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	d, err := c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: stream(t)})
	if err != nil {
		t.Fatal(err)
	}
	return f, c, d.StreamDescriptionSummary
}

// stream is the test's own.
func stream(t *testing.T) *string { return aws.String(path.Base(t.Name())) }

func first(t *testing.T, c *kinesis.Client) *string {
	t.Helper()
	out, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: stream(t), ShardId: aws.String(shard0), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}

// The Go SDK refuses kinesis-local's own answer.
func letsTheSDKSubscribe(t *testing.T, k *servers.Kinesis) {
	_, c, d := kinesisFront(t, k)
	con, err := c.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: d.StreamARN, ConsumerName: aws.String("fan")})
	if err != nil {
		t.Fatal(err)
	}
	arn := con.Consumer.ConsumerARN
	for {
		d, err := c.DescribeStreamConsumer(t.Context(), &kinesis.DescribeStreamConsumerInput{ConsumerARN: arn})
		if err != nil {
			t.Fatal(err)
		}
		if d.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive {
			break
		}
	}
	sub, err := c.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: arn, ShardId: aws.String(shard0), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.GetStream().Close()
	for e := range sub.GetStream().Events() {
		if e, ok := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok && len(e.Value.Records) > 0 {
			if got := string(e.Value.Records[0].Data); got != "hello" {
				t.Errorf("got %q", got)
			}
			return
		}
	}
	t.Errorf("no record came: %v", sub.GetStream().Err())
}

func limitsReadsOfAShard(t *testing.T, k *servers.Kinesis) {
	f, c, _ := kinesisFront(t, k)
	f.Set(servers.KinesisFaults{ReadsPerSecond: 1})
	it := first(t, c)
	read, refused := 0, 0
	for range 50 {
		out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
		var limit *types.ProvisionedThroughputExceededException
		switch {
		case errors.As(err, &limit):
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			read++
			it = out.NextShardIterator // of the same shard
		}
	}
	if read == 0 || refused < 10 || f.Counts().Throttled != refused {
		t.Errorf("%d reads, %d refused, counts %+v", read, refused, f.Counts())
	}
	f.Set(servers.KinesisFaults{})
	if _, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it}); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	f.Set(servers.KinesisFaults{Throttle: true})
	_, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: stream(t)})
	var limit *types.LimitExceededException
	if !errors.As(err, &limit) {
		t.Errorf("throttled: %v", err)
	}
}

func expiresIterators(t *testing.T, k *servers.Kinesis) {
	f, c, _ := kinesisFront(t, k)
	it := first(t, c)
	out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
	if err != nil || len(out.Records) != 1 {
		t.Fatal(out, err)
	}
	f.ExpireIterators()
	for _, old := range []*string{it, out.NextShardIterator} {
		_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: old})
		var expired *types.ExpiredIteratorException
		if !errors.As(err, &expired) {
			t.Errorf("an old iterator: %v", err)
		}
	}
	if _, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: first(t, c)}); err != nil {
		t.Errorf("a new iterator: %v", err)
	}
}

func cutsAnswers(t *testing.T, k *servers.Kinesis) {
	f, c, _ := kinesisFront(t, k)
	it := first(t, c)
	f.Set(servers.KinesisFaults{Cut: 2})
	failed := 0
	for range 10 {
		if _, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it}); err != nil {
			failed++
		}
	}
	if failed != 5 || f.Counts().Cut != 5 {
		t.Errorf("%d of 10 failed, counts %+v", failed, f.Counts())
	}
}
