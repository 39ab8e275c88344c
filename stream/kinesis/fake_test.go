package kinesis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// fake is a stream in memory that behaves as the service is documented to, and badly where a test says so. It is safe for
// concurrent use.
type fake struct {
	service.API // what a test does not expect is a nil call

	mu      sync.Mutex
	created time.Time
	deleted bool
	shards  []*fakeShard
	serial  int
	age     time.Duration // of what is put
	keeps   int32         // hours
	limits  []int32       // of GetRecords

	// before is called before each request, with the name of the operation and its shard. Its error is the answer.
	before func(op, shard string) error
	// after may change an answer of GetRecords.
	after func(shard string, out *kinesis.GetRecordsOutput)
}

type fakeShard struct {
	id, parent, adjacent string
	from, to             string // hash keys
	closed               bool
	log                  []types.Record
	trimmed              int // records that are gone
	children             []string
}

const wholeRange = "340282366920938463463374607431768211455"

func newFake(shards int) *fake {
	f := &fake{created: time.Now().Add(-time.Hour), keeps: 24}
	for range shards {
		f.addShard(&fakeShard{from: "0", to: wholeRange})
	}
	return f
}

func (f *fake) addShard(s *fakeShard) *fakeShard {
	s.id = fmt.Sprintf("shardId-%012d", len(f.shards))
	f.shards = append(f.shards, s)
	return s
}

// put appends a record to shard i.
func (f *fake) put(i int, key string, data []byte) record.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial += 1 + f.serial%3 // numbers have gaps
	seq := strconv.Itoa(100000 + f.serial)
	f.shards[i].log = append(f.shards[i].log, types.Record{
		Data: data, PartitionKey: &key, SequenceNumber: &seq, ApproximateArrivalTimestamp: aws.Time(f.now().Add(-f.age)),
	})
	return record.Position{Seq: seq, Sub: 1}
}

func (f *fake) now() time.Time { return time.Now().Truncate(time.Millisecond).UTC() }

// replace closes parents; their children have the ranges that the borders make.
func (f *fake) replace(parents []int, ranges ...string) (children []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i+1 < len(ranges); i += 2 {
		c := f.addShard(&fakeShard{from: ranges[i], to: ranges[i+1], parent: f.shards[parents[0]].id})
		if len(parents) > 1 {
			c.adjacent = f.shards[parents[1]].id
		}
		for _, p := range parents {
			f.shards[p].closed = true
			f.shards[p].children = append(f.shards[p].children, c.id)
		}
		children = append(children, len(f.shards)-1)
	}
	return children
}

func (f *fake) partition(i int) record.Partition {
	d := service.Description{ARN: fakeARN, Created: f.created}
	return d.Partition(f.shards[i].id)
}

const fakeARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/hits"

func (f *fake) begin(ctx context.Context, op, shard string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(op, shard); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deleted {
		return &types.ResourceNotFoundException{Message: aws.String("Stream hits not found")}
	}
	return nil
}

func (f *fake) DescribeStreamSummary(ctx context.Context, _ *kinesis.DescribeStreamSummaryInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	if err := f.begin(ctx, "DescribeStreamSummary", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
		StreamARN: aws.String(fakeARN), StreamName: aws.String("hits"), StreamCreationTimestamp: aws.Time(f.created),
		RetentionPeriodHours: aws.Int32(f.keeps), OpenShardCount: aws.Int32(1),
	}}, nil
}

func (f *fake) ListShards(ctx context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	if err := f.begin(ctx, "ListShards", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	first, _ := strconv.Atoi(aws.ToString(in.NextToken))
	out := &kinesis.ListShardsOutput{}
	for i := first; i < len(f.shards); i++ {
		if i == first+2 { // short pages
			out.NextToken = aws.String(strconv.Itoa(i))
			break
		}
		s := f.shards[i]
		if s.trimmed < 0 {
			continue
		}
		one := types.Shard{
			ShardId: &s.id, HashKeyRange: &types.HashKeyRange{StartingHashKey: &s.from, EndingHashKey: &s.to},
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")},
		}
		if s.parent != "" {
			one.ParentShardId = &s.parent
		}
		if s.adjacent != "" {
			one.AdjacentParentShardId = &s.adjacent
		}
		if s.closed {
			one.SequenceNumberRange.EndingSequenceNumber = aws.String("9")
		}
		out.Shards = append(out.Shards, one)
	}
	return out, nil
}

func (f *fake) find(id string) *fakeShard {
	i := slices.IndexFunc(f.shards, func(s *fakeShard) bool { return s.id == id && s.trimmed >= 0 })
	if i < 0 {
		return nil
	}
	return f.shards[i]
}

func (f *fake) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	id := aws.ToString(in.ShardId)
	if err := f.begin(ctx, "GetShardIterator", id); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.find(id)
	if s == nil {
		return nil, &types.ResourceNotFoundException{Message: aws.String("Shard " + id + " does not exist")}
	}
	at := s.trimmed
	for ; at < len(s.log); at++ {
		c := compareSeq(aws.ToString(s.log[at].SequenceNumber), aws.ToString(in.StartingSequenceNumber))
		done := false
		switch in.ShardIteratorType {
		case types.ShardIteratorTypeAtSequenceNumber:
			done = c >= 0
		case types.ShardIteratorTypeAfterSequenceNumber:
			done = c > 0
		case types.ShardIteratorTypeAtTimestamp:
			done = !s.log[at].ApproximateArrivalTimestamp.Before(*in.Timestamp)
		case types.ShardIteratorTypeTrimHorizon:
			done = true
		case types.ShardIteratorTypeLatest:
		}
		if done {
			break
		}
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(id + "/" + strconv.Itoa(at))}, nil
}

func compareSeq(a, b string) int { return record.Position{Seq: a}.Compare(record.Position{Seq: b}) }

// answerRecords is how many records an answer has at most, so that short tests have several answers.
const answerRecords = 7

func (f *fake) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	id, pos, _ := strings.Cut(aws.ToString(in.ShardIterator), "/")
	if err := f.begin(ctx, "GetRecords", id); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.find(id)
	if s == nil {
		return nil, &types.ResourceNotFoundException{Message: aws.String("Shard " + id + " does not exist")}
	}
	at, _ := strconv.Atoi(pos)
	at = max(at, s.trimmed) // silently, as the service does
	to := min(len(s.log), at+min(answerRecords, int(aws.ToInt32(in.Limit))))
	out := &kinesis.GetRecordsOutput{Records: slices.Clone(s.log[at:to]), MillisBehindLatest: aws.Int64(0)}
	if to < len(s.log) {
		out.MillisBehindLatest = aws.Int64(max(1, f.now().Sub(*s.log[to].ApproximateArrivalTimestamp).Milliseconds()))
	}
	if s.closed && to == len(s.log) {
		for _, c := range s.children {
			out.ChildShards = append(out.ChildShards, types.ChildShard{ShardId: aws.String(c)})
		}
	} else {
		out.NextShardIterator = aws.String(id + "/" + strconv.Itoa(to))
	}
	f.limits = append(f.limits, aws.ToInt32(in.Limit))
	if f.after != nil {
		f.after(id, out)
	}
	return out, nil
}

// open opens a source over the fake.
func (f *fake) open(t *testing.T, o *Options) *Source {
	t.Helper()
	c := Config{AWS: aws.Config{Region: "eu-central-1"}, Stream: "hits"}
	full, err := c.fill(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), c, full, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
