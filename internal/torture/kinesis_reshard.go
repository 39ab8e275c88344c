package torture

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// newKinesisClient is for producer and resharder, who speak to the emulator itself. A put is never sent twice.
func newKinesisClient(endpoint string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

// resharder splits and merges shards. The keys of the last one stay apart, and get no record: it is idle.
type resharder struct {
	idleFrom       *big.Int // the first key of the idle ones; emulators differ in it
	client         *kinesis.Client
	rnd            *rand.Rand
	splits, merges int
	say            func(string, ...any)
}

// firstShards is how many the stream has at first; they are numbered from 0.
const firstShards = 4

// begin makes the stream.
func (r *resharder) begin(ctx context.Context) error {
	_, err := r.client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(streamName), ShardCount: aws.Int32(firstShards)},
		func(o *kinesis.Options) { o.Retryer = retry.NewStandard() })
	var there *types.ResourceInUseException
	if err != nil && !errors.As(err, &there) { // the first attempt's reply was lost
		return err
	}
	if err := r.active(ctx); err != nil {
		return err
	}
	shards, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.idleFrom = shards[len(shards)-1].from
	return nil
}

// active waits until the stream can be changed.
func (r *resharder) active(ctx context.Context) error {
	w := kinesis.NewStreamExistsWaiter(r.client, func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	return w.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(streamName)}, time.Minute)
}

// shard is an open one.
type shard struct {
	id       string
	from, to *big.Int // inclusive
}

func (s shard) width() *big.Int { return new(big.Int).Sub(s.to, s.from) }

// run changes the shards every few seconds, until ctx ends.
func (r *resharder) run(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, 2*time.Second+time.Duration(r.rnd.Int64N(int64(3*time.Second))))
		if err := r.change(ctx); err != nil && ctx.Err() == nil {
			r.say("reshard: %v", err)
		}
	}
}

// change splits or merges; now and then both in one breath, and then again what just came of it.
func (r *resharder) change(ctx context.Context) error {
	for again := true; again; again = r.rnd.IntN(3) == 0 {
		shards, err := r.open(ctx)
		if err != nil {
			return err
		}
		if n := len(shards); n <= 4 || n < 9 && r.rnd.IntN(2) == 0 {
			err = r.split(ctx, shards)
		} else {
			err = r.merge(ctx, shards)
		}
		if err == nil {
			err = r.active(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// split halves the wider of two shards, so that all get records often.
func (r *resharder) split(ctx context.Context, shards []shard) error {
	s, other := shards[r.rnd.IntN(len(shards))], shards[r.rnd.IntN(len(shards))]
	if other.width().Cmp(s.width()) > 0 {
		s = other
	}
	middle := new(big.Int).Rsh(new(big.Int).Add(s.from, s.to), 1)
	if middle.Cmp(s.from) == 0 {
		return nil
	}
	_, err := r.client.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: aws.String(streamName), ShardToSplit: &s.id, NewStartingHashKey: aws.String(middle.Add(middle, big.NewInt(1)).String()),
	})
	if err == nil {
		r.splits++
	}
	return err
}

// merge joins the narrower of two pairs of neighbours, but never a busy one and an idle one.
func (r *resharder) merge(ctx context.Context, shards []shard) error {
	both := func(i int) *big.Int { return new(big.Int).Add(shards[i].width(), shards[i+1].width()) }
	i, other := r.rnd.IntN(len(shards)-1), r.rnd.IntN(len(shards)-1)
	if both(other).Cmp(both(i)) < 0 {
		i = other
	}
	a, b := shards[i], shards[i+1]
	if b.from.Cmp(r.idleFrom) == 0 {
		return nil
	}
	_, err := r.client.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: aws.String(streamName), ShardToMerge: &a.id, AdjacentShardToMerge: &b.id,
	})
	if err == nil {
		r.merges++
	}
	return err
}

// open lists the open shards by their hash keys.
func (r *resharder) open(ctx context.Context) (out []shard, err error) {
	in := &kinesis.ListShardsInput{StreamName: aws.String(streamName)}
	for {
		page, err := r.client.ListShards(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Shards {
			from, ok := new(big.Int).SetString(aws.ToString(s.HashKeyRange.StartingHashKey), 10)
			to, ok2 := new(big.Int).SetString(aws.ToString(s.HashKeyRange.EndingHashKey), 10)
			if !ok || !ok2 {
				return nil, fmt.Errorf("hash keys of %s", aws.ToString(s.ShardId))
			}
			if s.SequenceNumberRange.EndingSequenceNumber == nil {
				out = append(out, shard{aws.ToString(s.ShardId), from, to})
			}
		}
		if page.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
	slices.SortFunc(out, func(a, b shard) int { return a.from.Cmp(b.from) })
	return out, nil
}
