package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Source reads the lanes that the consumer group gives to this process. It is a driver.Source, with its rules of
// concurrent use, and also a driver.Witness, Lagger and Staller, whose methods may be called at any time.
type Source struct {
	conf    Config
	opts    *Options
	match   *matcher
	cluster *cluster
	prover  *prover
	member  *member
	info    driver.SourceInfo
	pool    pool
	keeps   map[string]time.Duration // retention of topics; guarded by mu

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	undial context.CancelFunc // ends all connecting
	tasks  sync.WaitGroup
	kick   chan struct{} // wakes the router
	ready  chan struct{} // wakes Poll
	closed sync.Once
	joined sync.Once

	mu       sync.Mutex
	session  *session // in which we are a member; nil between two
	leaving  *session // revoked, and the engine may still commit
	byLane   map[string]*lane
	parts    []*part
	queue    waiting // decoded, not returned by Poll
	used     int64   // bytes of deliveries that are queued or in use
	reserved int64   // what requests that are under way may bring
	loops    map[int32]*loop
	fatal    error
	known    identities
	ledger   string // whose offsets we commit

	memberErr   error // why we are in no session
	memberSince time.Time
	viewErr     error // why there is no new metadata
}

// Open connects to a cluster and checks that all that c names is there and can be used. It joins the group only when
// Poll is called first. ctx bounds Open alone.
func Open(ctx context.Context, c Config, o *Options) (*Source, error) {
	opts, err := o.fill()
	if err := errors.Join(c.validate(), err); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	s := &Source{
		conf: c, opts: opts, byLane: map[string]*lane{}, loops: map[int32]*loop{}, keeps: map[string]time.Duration{},
		kick: make(chan struct{}, 1), ready: make(chan struct{}, 1), memberSince: time.Now(),
	}
	s.match, _ = newMatcher(c.Topics) // checked by validate
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var dialing context.Context
	dialing, s.undial = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, s.undial)
	defer stop()
	s.cluster = newCluster(dialing, opts, c.Brokers)
	s.prover = &prover{ctx: dialing, opts: opts, cluster: s.cluster, match: s.match, conns: map[string]fetcher{}}
	v, err := s.inspect(ctx)
	if err == nil {
		s.member, err = newMember(dialing, s, v)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	topics := slices.Clone(c.Topics)
	slices.Sort(topics)
	s.info.ID, s.info.Topics, s.info.Keys = "kafka:"+v.cluster, slices.Compact(topics), driver.KeysByCount
	s.tasks.Go(s.router)
	return s, nil
}

// inspect checks the topics.
func (s *Source) inspect(ctx context.Context) (*view, error) {
	v, err := s.cluster.view(ctx, s.match)
	// A topic that was made a moment ago is not known to all brokers yet.
	for range 10 {
		if err != nil || len(v.missing) == 0 || !pause(ctx, 200*time.Millisecond) {
			break
		}
		v, err = s.cluster.view(ctx, s.match)
	}
	if err != nil {
		return nil, err
	}
	if len(v.missing) > 0 {
		return nil, fmt.Errorf("kafka: cluster %s has no topic %q, or %s may not see it", v.cluster, v.missing, s.opts.SASL)
	}
	if !s.opts.Separate {
		if err := v.uneven(); err != nil {
			return nil, err
		}
	}
	s.identify(v)
	s.info.Compacted, err = s.learn(ctx, v)
	return v, err
}

// learn asks for the settings of the topics that are new in v and returns those of them that are compacted, sorted.
func (s *Source) learn(ctx context.Context, v *view) (compacted []string, err error) {
	var names []string
	s.mu.Lock()
	for _, n := range v.names() {
		if _, ok := s.keeps[n]; !ok {
			names = append(names, n)
		}
	}
	s.mu.Unlock()
	if len(names) == 0 || s.opts.AssumeComplete {
		return nil, nil
	}
	set, err := s.cluster.settings(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("kafka: is a topic compacted? %w; Options.AssumeComplete goes on without an answer", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range set {
		s.keeps[name] = time.Duration(t.retention) * time.Millisecond
		if t.compacted() {
			compacted = append(compacted, name)
		}
	}
	slices.Sort(compacted)
	return compacted, nil
}

// Info names the cluster and the topics.
func (s *Source) Info() driver.SourceInfo { return s.info }

// Partitions asks the cluster, not a cache, which partitions of the topics exist.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	v, err := s.cluster.view(ctx, s.match)
	if err != nil {
		return nil, err
	}
	return v.partitions(), nil
}

// closing is how long Close waits for a broker that does not answer before it leaves without a word.
const closing = 3 * time.Second

// Close leaves the group and ends all goroutines and connections.
func (s *Source) Close() error {
	s.closed.Do(func() {
		s.cancel()
		defer time.AfterFunc(closing, s.undial).Stop()
		if s.member != nil {
			s.member.close()
		}
		s.undial()
		s.prover.close()
		s.cluster.close()
		s.tasks.Wait()
	})
	return nil
}
