package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
)

// subscribe is phase with enhanced fan-out, for new records. The service pushes records for five minutes, then we subscribe
// again. Our place is what was delivered, so an event that is lost with its connection comes again. While the service keeps
// a subscription for the reader before us we poll, so that the records which that one did not commit need not wait.
func (r *reader) subscribe(ctx context.Context) error {
	for {
		over, err := r.subscription(ctx)
		if over || ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue // its five minutes are over
		}
		var stop *stopError
		if errors.As(err, &stop) {
			return stop.err
		}
		if service.InUse(err) { // the one before it, of this process or of the shard's last owner, is let go within seconds
			r.iterator = ""
			if over, err := r.poll(ctx, time.Now().Add(retry.Around(inUseFor))); over || err != nil {
				return err
			}
			continue
		}
		if err := r.failed(ctx, err); err != nil {
			return err
		}
	}
}

// inUseFor is how long the service keeps a subscription for a shard from another one of the same consumer.
const inUseFor = 5 * time.Second

// stopError is an error of what came, not of the request for it.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// subscription reads one subscription to its end. over says that the phase is over.
func (r *reader) subscription(ctx context.Context) (over bool, err error) {
	if err := r.pace.Wait(ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the connection, whatever is still in it
	watch := time.AfterFunc(r.q.opts.Timeout, cancel)
	defer watch.Stop()
	asked := time.Now()
	out, err := r.q.svc.Client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: &r.q.svc.Consumer, ShardId: &r.part.ID, StartingPosition: r.at.starting(),
	})
	if err != nil {
		return false, err
	}
	now := service.Clock(out.ResultMetadata, asked)
	es := out.GetStream()
	defer func() { _ = es.Close() }() // what it did not deliver is asked for again
	for event := range es.Events() {
		e, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		if !ok {
			continue
		}
		watch.Stop()
		v := &e.Value
		a := answer{v.Records, v.ContinuationSequenceNumber == nil || len(v.ChildShards) > 0, aws.ToInt64(v.MillisBehindLatest), v.ChildShards, now()}
		at := r.at
		if err := r.q.waitRoom(ctx, r.run, r.guess); err != nil {
			return false, err
		}
		over, err := r.take(ctx, &a)
		r.q.unbook(r.guess)
		if err != nil {
			return false, &stopError{err}
		}
		if over || r.at != at && !r.at.after { // the phase begins again elsewhere
			return over, nil
		}
		watch.Reset(r.q.opts.Timeout) // the service says something every few seconds, also when nothing comes
	}
	if err := es.Err(); err != nil {
		return false, fmt.Errorf("subscription: %w", err)
	}
	return false, ctx.Err()
}

// starting is where a subscription begins.
func (at origin) starting() *types.StartingPosition {
	p := &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	switch {
	case at.after:
		p.Type, p.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &at.seq
	case !at.time.IsZero():
		p.Type, p.Timestamp = types.ShardIteratorTypeAtTimestamp, &at.time
	case at.seq != "":
		p.Type, p.SequenceNumber = types.ShardIteratorTypeAtSequenceNumber, &at.seq
	}
	return p
}
