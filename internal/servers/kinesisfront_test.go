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
		"LetsTheSDKSubscribe": letsTheSDKSubscribe, "EndsSubscriptions": endsSubscriptions, "LimitsReadsOfAShard": limitsReadsOfAShard,
		"ExpiresIterators": expiresIterators, "CutsAnswers": cutsAnswers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, k)
		})
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

// consumer registers one.
func consumer(t *testing.T, c *kinesis.Client, d *types.StreamDescriptionSummary) *string {
	t.Helper()
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
			return arn
		}
	}
}

func subscribe(t *testing.T, c *kinesis.Client, consumer *string) (*kinesis.SubscribeToShardEventStream, error) {
	t.Helper()
	out, err := c.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: consumer, ShardId: aws.String(shard0), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = out.GetStream().Close() })
	return out.GetStream(), nil
}

// The Go SDK refuses kinesis-local's own answer, which does not tell that a shard was split.
func letsTheSDKSubscribe(t *testing.T, k *servers.Kinesis) {
	_, c, d := kinesisFront(t, k)
	sub, err := subscribe(t, c, consumer(t, c, d))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	children, at := 0, aws.String("")
	for e := range sub.Events() {
		v := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		for i := range v.Records {
			got = append(got, string(v.Records[i].Data))
			half := aws.String("170141183460469231731687303715884105728")
			if _, err := c.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamARN: d.StreamARN, ShardToSplit: aws.String(shard0), NewStartingHashKey: half}); err != nil {
				t.Fatal(err)
			}
		}
		children, at = children+len(v.ChildShards), v.ContinuationSequenceNumber
	}
	if len(got) != 1 || got[0] != "hello" || children != 2 || at != nil || sub.Err() != nil {
		t.Errorf("got %q, then an end with %d children, to be continued at %v, error %v", got, children, at, sub.Err())
	}
}

// A second subscription is refused for five seconds, then it takes the place of the first; each ends by itself in time.
func endsSubscriptions(t *testing.T, k *servers.Kinesis) {
	f, c, d := kinesisFront(t, k)
	arn := consumer(t, c, d)
	f.Set(servers.KinesisFaults{Cut: 1})
	cut, err := subscribe(t, c, arn)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range cut.Events() { // until it is over: the SDK takes a broken connection for an end
	}
	if f.Counts().Cut != 1 {
		t.Errorf("counts %+v, want that it was cut off", f.Counts())
	}
	f.Set(servers.KinesisFaults{Subscription: 2 * time.Second})
	var second *kinesis.SubscribeToShardEventStream
	refused := 0
	var asked time.Time
	for second == nil {
		asked = time.Now()
		if second, err = subscribe(t, c, arn); err != nil {
			var busy *types.ResourceInUseException
			if !errors.As(err, &busy) {
				t.Fatal(err)
			}
			refused++
		}
	}
	if took := time.Since(begin); refused == 0 || took < 4*time.Second || f.Counts().InUse != refused {
		t.Errorf("granted after %v, refused %d times, counts %+v", took, refused, f.Counts())
	}
	for range second.Events() { // until it is over
	}
	if took := time.Since(asked); second.Err() != nil || took < time.Second {
		t.Errorf("it lasted %v and ended with %v, want 2 s and no error", took, second.Err())
	}
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
