package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Source reads the shards of one stream that this process is assigned. It is a driver.Source, with its rules of concurrent
// use, and also a driver.Follower, Acker, Lagger and Staller, whose methods may be called at any time.
type Source struct {
	conf     Config
	opts     *Options
	client   api
	stream   *description // as it was at Open
	assigner assigner
	consumer string // ARN of the fan-out consumer; empty without

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	ready  chan struct{} // wakes Poll
	news   chan struct{} // wakes the goroutine that follows shards and leases
	closed sync.Once
	began  sync.Once

	described time.Time // when to describe the stream next; used by one goroutine

	tell func(context.Context) (map[record.Partition]driver.Standing, error)

	mu       sync.Mutex
	shards   map[string]shard // by ID, as last listed
	keeps    time.Duration    // retention
	paces    map[string]*pace // by shard
	probes   map[record.Partition]*probe
	lanes    map[string]*lane // that the engine has
	order    []string         // of lanes, for Poll to take turns
	turn     int
	queued   int64 // bytes of all queues
	booked   int64 // bytes that requests under way may bring
	room     chan struct{}
	fatal    error
	want     []lineage.Lane  // all lanes there are
	leases   []string        // that the assigner says are ours
	owed     map[string]bool // leases that were and of which the assigner is to hear that we have given them up
	until    time.Time       // deadline to give up those that are not
	told     bool            // a Batch with rebalance was returned, and Poll was not called since
	watching bool            // lanes hold shards whose end, or whose ancestors' last record, is to be committed
	listErr  error           // why the list of shards or the ledger cannot be read
	listFrom time.Time
}

// Open describes the stream and lists its shards, so wrong names, regions and permissions are found here.
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

func open(ctx context.Context, c Config, o *Options, client api) (*Source, error) {
	s := &Source{
		conf: c, opts: o, client: client, ready: make(chan struct{}, 1), news: make(chan struct{}, 1), room: make(chan struct{}),
		paces: map[string]*pace{}, probes: map[record.Partition]*probe{}, lanes: map[string]*lane{}, owed: map[string]bool{},
	}
	err := s.insist(ctx, "description", func(ctx context.Context) (err error) {
		s.stream, err = s.describe(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.keeps = s.stream.retention
	var shards []shard
	if err := s.insist(ctx, "list of shards", func(ctx context.Context) (err error) {
		shards, err = s.list(ctx)
		return err
	}); err != nil {
		return nil, err
	}
	s.setShards(shards)
	if err := s.tryRead(ctx, shards); err != nil {
		return nil, err
	}
	if o.FanOut != "" {
		if err := s.register(ctx); err != nil {
			return nil, err
		}
	}
	s.assigner = newShared(o.Shards, s.parentOf)
	if o.Leases != nil {
		if s.assigner, err = o.Leases.join(ctx, c.AWS, s.stream.arn+" "+s.stream.epoch(), o.Logger); err != nil {
			return nil, err
		}
	}
	if s.stream.auto {
		o.Logger.Warn("the service spreads records of this stream whatever their keys: equal keys do not meet in a lane")
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// tryRead finds out whether we may read.
func (s *Source) tryRead(ctx context.Context, shards []shard) error {
	if len(shards) == 0 {
		return nil
	}
	return s.insist(ctx, "iterator", func(ctx context.Context) error {
		_, err := s.iterator(ctx, s.stream.partition(shards[len(shards)-1].id), origin{})
		return err
	})
}

// insist repeats a request until it succeeds, cannot, or half a minute has passed.
func (s *Source) insist(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	for n := 0; ; n++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if hopeless(err) || pause(ctx, backoff(n), nil) != nil {
			return s.conf.advise(what, err)
		}
	}
}

// Info names the stream. A stream made again under its name has the same ID; its partitions differ.
func (s *Source) Info() driver.SourceInfo {
	return driver.SourceInfo{ID: "kinesis:" + s.stream.arn, Topics: []string{s.stream.name}, Keys: driver.KeysByRange}
}

// Follow gives the source the view of the ledger that tells it which shards have ended.
func (s *Source) Follow(tell func(context.Context) (map[record.Partition]driver.Standing, error)) {
	s.tell = tell
}

// Partitions asks which shards exist.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	var list []record.Partition
	err := s.insist(ctx, "list of shards", func(ctx context.Context) error {
		shards, err := s.list(ctx)
		if err != nil {
			return err
		}
		list = list[:0]
		for _, sh := range shards {
			list = append(list, s.stream.partition(sh.id))
		}
		return nil
	})
	return list, err
}

// Ack takes a commit as news: shards may have ended with it. Positions are kept in the ledger alone.
func (s *Source) Ack(context.Context, map[record.Partition]record.Position) error {
	s.mu.Lock()
	watching := s.watching
	s.mu.Unlock()
	if watching {
		s.poke()
	}
	return nil
}

// Close ends all requests and gives the lanes up.
func (s *Source) Close() error {
	var err error
	s.closed.Do(func() {
		s.cancel()
		s.tasks.Wait()
		err = s.assigner.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range s.lanes {
			if l.run != nil {
				s.drop(l.run)
				l.run = nil
			}
		}
		s.fatal = cmp.Or(s.fatal, errClosed)
	})
	return err
}

// failRun stops the job because of what a reader found, unless the lane was started again or given up since.
func (s *Source) failRun(r *run, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.lane.run == r {
		s.failLocked(err)
	}
}

func (s *Source) failLocked(err error) {
	if s.fatal == nil && !errors.Is(err, context.Canceled) {
		s.fatal = err
		s.wakePoll()
	}
}

func (s *Source) wakePoll() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *Source) poke() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *Source) setShards(shards []shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards = make(map[string]shard, len(shards))
	for _, sh := range shards {
		s.shards[sh.id] = sh
	}
}

// shardOf is what the service says of a partition.
func (s *Source) shardOf(p record.Partition) (shard, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, ok := s.shards[p.ID]
	return sh, ok && p.Epoch == s.stream.epoch()
}

// parentOf is the shard that a shard came from, its first parent; empty if there is none.
func (s *Source) parentOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.shards[id]; len(sh.parents) > 0 {
		return sh.parents[0]
	}
	return ""
}

func (s *Source) retention() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keeps
}

// paceOf is the pace of a shard, which outlives the runs that read it. It needs s.mu.
func (s *Source) paceOf(p record.Partition) *pace {
	k := s.paces[p.ID]
	if k == nil {
		k = &pace{}
		s.paces[p.ID] = k
	}
	return k
}

// laneOrder puts lanes in turn. It needs s.mu.
func (s *Source) laneOrder() {
	s.order = s.order[:0]
	for name := range s.lanes {
		s.order = append(s.order, name)
	}
	slices.Sort(s.order)
}
