package kinesis

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// probe asks one shard for the end of its log. It has its own iterator, so it never waits for a reader.
type probe struct {
	mu       sync.Mutex
	at       record.Position
	iterator string
}

// probesAtOnce bounds the questions under way.
const probesAtOnce = 16

// prober proves the ends of logs. It is safe for concurrent use.
type prober struct {
	svc     *service.Stream
	timeout time.Duration
	reading *reading

	mu     sync.Mutex
	probes map[record.Partition]*probe
}

// probeOf keeps a probe for each shard.
func (b *prober) probeOf(p record.Partition) *probe {
	b.mu.Lock()
	defer b.mu.Unlock()
	pr := b.probes[p]
	if pr == nil {
		pr = &probe{}
		b.probes[p] = pr
	}
	return pr
}

// atEnd asks for a record after each position. An answer proves a shard's end if it brings nothing, says that nothing
// follows, and says that the shard is open. A closed shard proves nothing: what follows is in its children, whose clocks
// begin with its own.
func (b *prober) atEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	var mu sync.Mutex
	var proved []record.Partition
	var group errgroup.Group
	group.SetLimit(probesAtOnce)
	for p, pos := range at {
		k := b.reading.paceAt(p, pos)
		if k == nil {
			continue // nothing can be proved of what was not read up to there
		}
		group.Go(func() error {
			if b.ends(ctx, p, pos, k) {
				mu.Lock()
				defer mu.Unlock()
				proved = append(proved, p)
			}
			return nil
		})
	}
	return proved, group.Wait()
}

// ends asks one shard. An error is no proof and passes; the reader of the shard reports errors that last.
func (b *prober) ends(ctx context.Context, p record.Partition, pos record.Position, k *service.Pace) bool {
	pr := b.probeOf(p)
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.at != pos {
		pr.at, pr.iterator = pos, ""
	}
	for range 2 { // the iterator may have expired
		if k.Wait(ctx) != nil {
			return false
		}
		if pr.iterator == "" {
			it, err := b.svc.Iterator(ctx, p, origin{seq: pos.Seq, after: pos.Seq != ""}.starting())
			if err != nil {
				return false
			}
			pr.iterator = it
		}
		out, err := b.svc.Client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: &pr.iterator, Limit: aws.Int32(1), StreamARN: &p.Source})
		if err == nil {
			pr.iterator = ""
			if len(out.Records) > 0 || aws.ToInt64(out.MillisBehindLatest) != 0 || len(out.ChildShards) > 0 {
				return false
			}
			pr.iterator = aws.ToString(out.NextShardIterator)
			return pr.iterator != ""
		}
		if service.Throttled(err) {
			k.Refused()
		}
		pr.iterator = ""
		if !service.Expired(err) {
			return false
		}
	}
	return false
}
