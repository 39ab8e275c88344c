package kinesis

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/stream/record"
)

// probe asks one shard for the end of its log. It has an iterator of its own, so a reader that waits or hangs is not in
// its way.
type probe struct {
	mu       sync.Mutex
	at       record.Position
	iterator string
}

// probesAtOnce bounds the questions under way.
const probesAtOnce = 16

// AtEnd asks for a record behind each position. A shard's end is proved by an answer that brings nothing, says that
// nothing is behind, and that the shard is open. A closed one proves nothing: what follows is in its children, whose
// clocks begin with its own.
func (s *Source) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	var mu sync.Mutex
	var proved []record.Partition
	var group errgroup.Group
	group.SetLimit(probesAtOnce)
	for p, pos := range at {
		k, pr := s.probeOf(p, pos)
		if k == nil {
			continue // nothing can be proved of what was not read up to there
		}
		group.Go(func() error {
			if s.ends(ctx, p, pos, k, pr) {
				mu.Lock()
				defer mu.Unlock()
				proved = append(proved, p)
			}
			return nil
		})
	}
	return proved, group.Wait()
}

// probeOf returns the probe of a shard that we have read up to pos, and to the last user record of the record there; nil
// if we have not.
func (s *Source) probeOf(p record.Partition, pos record.Position) (*pace, *probe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		if l.run == nil {
			continue
		}
		for _, r := range l.run.shards {
			if r.part != p || r.plan.elder || r.sent != pos || !r.caught {
				continue
			}
			pr := s.probes[p]
			if pr == nil {
				pr = &probe{}
				s.probes[p] = pr
			}
			return r.pace, pr
		}
	}
	return nil, nil
}

// ends asks. An error is no proof, and passes: the reader of the shard reports what lasts.
func (s *Source) ends(ctx context.Context, p record.Partition, pos record.Position, k *pace, pr *probe) bool {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.at != pos {
		pr.at, pr.iterator = pos, ""
	}
	for range 2 { // the iterator may have expired
		if k.wait(ctx) != nil {
			return false
		}
		if pr.iterator == "" {
			it, err := s.iterator(ctx, p, origin{seq: pos.Seq, after: pos.Seq != ""})
			if err != nil {
				return false
			}
			pr.iterator = it
		}
		out, err := s.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: &pr.iterator, Limit: aws.Int32(1), StreamARN: &p.Source})
		if err == nil {
			pr.iterator = ""
			if len(out.Records) > 0 || aws.ToInt64(out.MillisBehindLatest) != 0 || len(out.ChildShards) > 0 {
				return false
			}
			pr.iterator = aws.ToString(out.NextShardIterator)
			return pr.iterator != ""
		}
		if throttled(err) {
			k.refused()
		}
		pr.iterator = ""
		if !expired(err) {
			return false
		}
	}
	return false
}

// progress notes what a reader has got to.
func (s *Source) progress(r *reader, last record.Position, behind time.Duration, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.bad, r.fails, r.badFrom, r.behind = nil, 0, time.Time{}, behind
	if r.plan.phase != following {
		return
	}
	if !last.IsZero() {
		r.sent = last
	}
	r.caught = !ended
}
