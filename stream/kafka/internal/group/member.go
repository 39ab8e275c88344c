package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
)

// Options say which group, and how.
type Options struct {
	Name     string
	Brokers  []string
	Separate bool // each partition is a lane
	Rotates  bool // the secret to authenticate with is asked for again, so that it may be right the next time

	SessionTimeout, RebalanceTimeout, Refresh time.Duration

	Logger *slog.Logger
}

// Host wants the lanes. Goroutines of the group call its methods, without the group's lock.
type Host interface {
	// View asks the cluster for the topics. same says that they are the known ones; else nothing may be read.
	View(ctx context.Context) (v *cluster.View, same bool, err error)

	// Changed says that Tell has something to tell.
	Changed()

	// Revoked says that the present lanes must not be read any further, and that Tell may have news.
	Revoked()

	// Fail ends the job.
	Fail(err error)
}

// Member is our membership in the consumer group. sarama joins, sends heartbeats and leaves; it never fetches. The methods
// may be called concurrently, except Close, which is the last call.
type Member struct {
	opts   *Options
	host   Host
	client sarama.Client
	group  sarama.ConsumerGroup
	ctx    context.Context
	stop   context.CancelFunc
	ended  chan struct{} // closed once the goroutine of Start has ended
	asks   sync.WaitGroup

	mu      sync.Mutex
	began   bool
	session *session           // in which we are a member; nil between two
	leaving *session           // revoked, and the engine may still commit
	rejoin  context.CancelFunc // ends the session, so that the group is joined again
	shape   map[string]int     // topics and numbers of partitions as of the last join
	err     error              // why we are in no session
	since   time.Time
	ledger  string // whose offsets we commit
	keeps   bool   // KeepLanes
}

// noFetch keeps sarama's group from fetching, which it does only for partitions that are "readable".
type noFetch struct{ sarama.Client }

// PartitionNotReadable says so for ever.
func (noFetch) PartitionNotReadable(string, int32) bool { return true }

// New connects and joins nothing yet. It changes c, the configuration for the membership. v has the topics to read. Once
// ctx ends the member leaves the group.
func New(ctx context.Context, c *sarama.Config, o *Options, host Host, v *cluster.View) (*Member, error) {
	g := &c.Consumer.Group
	g.Session.Timeout = o.SessionTimeout
	g.Heartbeat.Interval = min(time.Second, o.SessionTimeout/4)
	g.Rebalance.Timeout = o.RebalanceTimeout
	// A join is answered when all members have joined or the rebalance times out. The client must not give up before.
	c.Net.ReadTimeout = o.RebalanceTimeout + 5*time.Second
	// A broker that is away for some seconds must not end the session.
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 20, 250*time.Millisecond
	c.Metadata.RefreshFrequency = o.Refresh
	c.Consumer.Offsets.AutoCommit.Enable = false
	g.Rebalance.GroupStrategies = strategies(o.Separate)
	client, err := sarama.NewClient(o.Brokers, c)
	if err != nil {
		return nil, fmt.Errorf("kafka: group %s: %w", o.Name, err)
	}
	group, err := sarama.NewConsumerGroupFromClient(o.Name, noFetch{client})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka: group %s: %w", o.Name, err), client.Close())
	}
	m := &Member{
		opts: o, host: host, client: client, group: group, shape: shape(v), ended: make(chan struct{}), since: time.Now(),
	}
	m.ctx, m.stop = context.WithCancel(ctx)
	return m, nil
}

// strategies says how a group shares partitions out. Range gives partition i of all topics to one member. Separate lanes,
// of one partition each, it would pile up on the first member.
func strategies(separate bool) []sarama.BalanceStrategy {
	if separate {
		return []sarama.BalanceStrategy{sarama.NewBalanceStrategyRoundRobin()}
	}
	return []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
}

// Start joins the group, and joins again until Close. Only its first call has an effect.
func (m *Member) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began {
		return
	}
	m.began = true
	go func() {
		defer close(m.ended)
		for m.ctx.Err() == nil {
			m.once()
		}
	}()
}

// KeepLanes makes lanes stay while the coordinator cannot be reached.
func (m *Member) KeepLanes() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keeps = true
}

// once is a member for one session.
func (m *Member) once() {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	m.mu.Lock()
	m.rejoin = cancel
	topics := slices.Sorted(maps.Keys(m.shape))
	m.mu.Unlock()
	if len(topics) == 0 { // no topic matches yet
		<-ctx.Done()
		return
	}
	err := m.group.Consume(ctx, topics, m)
	if err == nil || m.ctx.Err() != nil || ctx.Err() != nil {
		return
	}
	err = fmt.Errorf("kafka: group %s: %w", m.opts.Name, err)
	if hopeless(err) && !(m.opts.Rotates && errors.Is(err, sarama.ErrSASLAuthenticationFailed)) {
		m.host.Fail(err)
		<-ctx.Done()
		return
	}
	m.opts.Logger.Warn("no session in the group", "group", m.opts.Name, "error", err)
	m.mu.Lock()
	m.err = err
	m.mu.Unlock()
	_ = retry.Wait(ctx, time.Second)
}

// hopeless reports whether trying again cannot help.
func hopeless(err error) bool {
	for _, e := range []error{
		sarama.ErrGroupAuthorizationFailed, sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
		sarama.ErrInconsistentGroupProtocol, sarama.ErrInvalidGroupId, sarama.ErrInvalidSessionTimeout, sarama.ErrSASLAuthenticationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Setup is called by sarama when a session begins.
func (m *Member) Setup(cs sarama.ConsumerGroupSession) error {
	ctx := cs.Context()
	endKept(m)
	x := &session{generation: cs.GenerationID(), id: cs.MemberID(), released: make(chan struct{})}
	for ctx.Err() == nil { // else the session ended meanwhile, and Cleanup comes next
		v, same, err := m.host.View(ctx)
		if err == nil && same { // else nothing of the other topic may be read
			m.mu.Lock()
			m.shape = shape(v)
			m.mu.Unlock()
			var incomplete []string
			x.lanes, incomplete = v.Lanes(cs.Claims(), m.opts.Separate)
			if len(incomplete) > 0 {
				m.opts.Logger.Warn("lanes wait until all processes read the same topics", "lanes", incomplete)
			}
			break
		}
		_ = retry.Wait(ctx, 200*time.Millisecond)
	}
	m.opts.Logger.Info("joined the group", "group", m.opts.Name, "generation", x.generation, "lanes", len(x.lanes))
	m.begin(x)
	return nil
}

// Cleanup is called by sarama when a session has ended. It returns once the engine has given up the lanes. Until then
// heartbeats go on, and the group waits up to its rebalance timeout.
func (m *Member) Cleanup(cs sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	x := m.session
	m.mu.Unlock()
	if x == nil || x.generation != cs.GenerationID() {
		return nil
	}
	cause := context.Cause(cs.Context())
	if away(cause) && m.keep(x) {
		m.opts.Logger.Warn("the group cannot be reached; lanes stay until it can", "group", m.opts.Name, "generation", x.generation, "cause", cause)
		return nil
	}
	m.opts.Logger.Info("session in the group ends", "generation", x.generation, "cause", cause)
	m.end(x, time.Now().Add(m.opts.RebalanceTimeout*9/10))
	select {
	case <-x.released:
	case <-m.ctx.Done():
	}
	return nil
}

// away reports whether a session ended because the coordinator does not answer, or is none at present, and not by what it said.
func away(cause error) bool {
	for _, e := range []error{
		nil, context.Canceled, context.DeadlineExceeded, sarama.ErrRebalanceInProgress, sarama.ErrUnknownMemberId, sarama.ErrIllegalGeneration,
		sarama.ErrFencedInstancedId, sarama.ErrSessionPartitionCountChanged, sarama.ErrSessionConsumeClaimExited, sarama.ErrClosedConsumerGroup, sarama.ErrClosedClient,
	} {
		if errors.Is(cause, e) {
			return false
		}
	}
	return !hopeless(cause)
}

// ConsumeClaim is never called, since no claim is readable.
func (m *Member) ConsumeClaim(cs sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-cs.Context().Done()
	return nil
}

// Update joins the group again if topics or numbers of partitions have changed since the last join.
func (m *Member) Update(v *cluster.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := shape(v)
	if maps.Equal(now, m.shape) {
		return
	}
	m.shape = now
	if m.rejoin != nil {
		m.rejoin()
	}
}

// Close leaves the group.
func (m *Member) Close() {
	m.stop()
	m.mu.Lock()
	began := m.began
	m.mu.Unlock()
	if began {
		<-m.ended
	}
	_ = m.group.Close()
	_ = m.client.Close()
}

// Wait waits for questions that outlived Acked. They may last as long as the connections.
func (m *Member) Wait() { m.asks.Wait() }

// shape is how many partitions each topic has.
func shape(v *cluster.View) map[string]int {
	out := map[string]int{}
	for name, t := range v.Topics {
		out[name] = len(t.Parts)
	}
	return out
}
