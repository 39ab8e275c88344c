package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// Source reads the shards of one stream that this process is assigned. It is a driver.Source, with its rules of concurrent
// use, and also a driver.Follower and driver.Reporter, whose methods may be called at any time.
//
// Its parts have all the state. Two of their locks are held at once in this order: follower, reading, listing.
type Source struct {
	svc     *service.Stream
	reading *reading
	follow  *follower
	prober  *prober

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	closed sync.Once
	began  sync.Once
}

// Open describes the stream and lists its shards. So it finds wrong names, regions and permissions.
func Open(ctx context.Context, c Config, opts *Options) (*Source, error) {
	o, err := c.fill(opts)
	if err != nil {
		return nil, fmt.Errorf("kinesis: %w", err)
	}
	client := kinesis.NewFromConfig(c.AWS, func(k *kinesis.Options) {
		k.Retryer = aws.NopRetryer{} // a retry needs the pace of its shard, and a new iterator perhaps
		if o.Client != nil {
			o.Client(k)
		}
	})
	return open(ctx, c, o, client)
}

func open(ctx context.Context, c Config, o *Options, client service.API) (*Source, error) {
	svc, shards, err := service.Open(ctx, client, c.Stream, c.AWS.Region, o.Timeout)
	if err != nil {
		return nil, err
	}
	list := service.NewListing(svc.Is)
	list.Set(shards)
	if o.FanOut != "" {
		if err := svc.Register(ctx, o.FanOut); err != nil {
			return nil, err
		}
	}
	var who assigner = newShared(o.Shards, list.ParentOf)
	if o.Leases != nil {
		if who, err = o.Leases.join(ctx, c.AWS, svc.Is.ARN+" "+svc.Is.Epoch(), o.Logger); err != nil {
			return nil, err
		}
	}
	if svc.Is.Auto {
		o.Logger.Warn("the service spreads records of this stream whatever their keys: equal keys do not meet in a lane")
	}
	s := &Source{svc: svc}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.reading = &reading{
		svc: svc, list: list, opts: o, ctx: s.ctx, ready: make(chan struct{}, 1), lanes: map[string]*lane{}, room: make(chan struct{}),
	}
	s.follow = &follower{
		svc: svc, list: list, reading: s.reading, opts: o, assigner: who, news: make(chan struct{}, 1), owed: map[string]bool{},
	}
	s.prober = &prober{svc: svc, timeout: o.Timeout, reading: s.reading, probes: map[record.Partition]*probe{}}
	return s, nil
}

// Info names the stream. A stream made again under its name has the same ID; its partitions differ.
func (s *Source) Info() driver.SourceInfo {
	return driver.SourceInfo{ID: "kinesis:" + s.svc.Is.ARN, Topics: []string{s.svc.Is.Name}, Keys: driver.KeysByRange, Follows: true}
}

// Begin gives the source the ledger, which says which shards have ended.
func (s *Source) Begin(_ context.Context, l driver.Ledger) error {
	if l.Tell == nil {
		return errors.New("kinesis: the output does not tell what is committed, and shards begin when their parents are")
	}
	s.follow.tell = l.Tell
	return nil
}

// Partitions asks which shards exist.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	var list []record.Partition
	err := s.svc.Insist(ctx, "list of shards", func(ctx context.Context) error {
		shards, err := s.svc.List(ctx)
		if err != nil {
			return err
		}
		list = list[:0]
		for _, sh := range shards {
			list = append(list, s.svc.Is.Partition(sh.ID))
		}
		return nil
	})
	return list, err
}

// Poll returns a change of our lanes, or a batch of one of them, in turn.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	s.began.Do(func() {
		s.tasks.Go(func() { s.follow.follow(s.ctx) })
		s.tasks.Go(func() { s.follow.takeLeases(s.ctx) })
	})
	s.follow.heard()
	for {
		if err := s.reading.err(); err != nil {
			return nil, err
		}
		if b := s.follow.rebalance(); b != nil {
			return b, nil
		}
		if b := s.reading.next(); b != nil {
			if len(b.Ended) > 0 {
				s.follow.watch()
			}
			return b, nil
		}
		select {
		case <-s.reading.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Start begins to read a lane.
func (s *Source) Start(_ context.Context, st driver.Start) error { return s.reading.start(&st) }

// Pause stops or resumes the delivery of a lane.
func (s *Source) Pause(lane string, on bool) { s.reading.pause(lane, on) }

// AtEnd asks for a record behind each position.
func (s *Source) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	return s.prober.atEnd(ctx, at)
}

// Ack only wakes the source, since shards may have ended with the commit. Only the ledger keeps positions.
func (s *Source) Ack(context.Context, map[record.Partition]record.Position) error {
	s.follow.committed()
	return nil
}

// Acked has nothing.
func (s *Source) Acked(context.Context, []record.Partition) (map[record.Partition]record.Position, error) {
	return nil, nil
}

// Finish does nothing, since a lane ends with the shards that take its place.
func (s *Source) Finish([]string) {}

// Health returns how long it takes until the stream drops a record that we have not read, since the service counts time and
// not records. It also returns which shards have given nothing but errors for long.
func (s *Source) Health() driver.Health {
	return driver.Health{Lag: s.reading.lag(), Stalled: errors.Join(append([]error{s.follow.stalled()}, s.reading.stalled()...)...)}
}

// Close ends all requests and gives the lanes up.
func (s *Source) Close() error {
	var err error
	s.closed.Do(func() {
		s.cancel()
		s.tasks.Wait()
		s.reading.tasks.Wait()
		err = s.follow.assigner.Close()
		s.reading.close()
	})
	return err
}
