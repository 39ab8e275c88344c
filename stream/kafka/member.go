package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// member is our membership in the consumer group. sarama joins, beats and leaves; it never fetches.
type member struct {
	src    *Source
	client sarama.Client
	group  sarama.ConsumerGroup
	ctx    context.Context
	stop   context.CancelFunc
	began  atomic.Bool
	ended  chan struct{} // closed once the goroutine of start has ended

	mu     sync.Mutex
	rejoin context.CancelFunc // ends the session, so that the group is joined again
	shape  map[string]int     // topics and numbers of partitions as of the last join
}

// noFetch keeps the group from fetching: it starts to read a partition only once that is "readable".
type noFetch struct{ sarama.Client }

// PartitionNotReadable says so for ever.
func (noFetch) PartitionNotReadable(string, int32) bool { return true }

func newMember(dialing context.Context, s *Source, v *view) (*member, error) {
	o := s.opts
	c := saramaConfig(dialing, o)
	g := &c.Consumer.Group
	g.Session.Timeout = o.SessionTimeout
	g.Heartbeat.Interval = min(time.Second, o.SessionTimeout/4)
	g.Rebalance.Timeout = o.RebalanceTimeout
	// A join is answered when all members have joined or the rebalance times out, and must not be given up before.
	c.Net.ReadTimeout = o.RebalanceTimeout + 5*time.Second
	// A broker that is away for some seconds must not end the session.
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 20, 250*time.Millisecond
	c.Metadata.RefreshFrequency = o.Refresh
	c.Consumer.Offsets.AutoCommit.Enable = false
	g.Rebalance.GroupStrategies = strategies(o.Separate)
	client, err := sarama.NewClient(s.conf.Brokers, c)
	if err != nil {
		return nil, fmt.Errorf("kafka: group %s: %w", s.conf.Group, err)
	}
	group, err := sarama.NewConsumerGroupFromClient(s.conf.Group, noFetch{client})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka: group %s: %w", s.conf.Group, err), client.Close())
	}
	m := &member{src: s, client: client, group: group, shape: shape(v), ended: make(chan struct{})}
	m.ctx, m.stop = context.WithCancel(s.ctx)
	return m, nil
}

// strategies tells how a group shares partitions out. Range gives partition i of all topics to one member; with lanes of
// one partition, which are separate, it would pile them up on the first.
func strategies(separate bool) []sarama.BalanceStrategy {
	if separate {
		return []sarama.BalanceStrategy{sarama.NewBalanceStrategyRoundRobin()}
	}
	return []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
}

// start joins the group, and joins again until close.
func (m *member) start() {
	m.began.Store(true)
	m.src.tasks.Go(func() {
		defer close(m.ended)
		for m.ctx.Err() == nil {
			m.once()
		}
	})
}

// once is a member for one session.
func (m *member) once() {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	m.mu.Lock()
	m.rejoin = cancel
	topics := make([]string, 0, len(m.shape))
	for t := range m.shape {
		topics = append(topics, t)
	}
	m.mu.Unlock()
	if len(topics) == 0 { // no topic matches yet
		<-ctx.Done()
		return
	}
	slices.Sort(topics)
	err := m.group.Consume(ctx, topics, m)
	if err == nil || m.ctx.Err() != nil || ctx.Err() != nil {
		return
	}
	err = fmt.Errorf("kafka: group %s: %w", m.src.conf.Group, err)
	if hopeless(err) {
		m.src.fail(err)
		<-ctx.Done()
		return
	}
	m.src.opts.Logger.Warn("no session in the group", "group", m.src.conf.Group, "error", err)
	m.src.mu.Lock()
	m.src.memberErr = err
	m.src.mu.Unlock()
	pause(ctx, time.Second)
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
func (m *member) Setup(cs sarama.ConsumerGroupSession) error {
	s := m.src
	ctx := cs.Context()
	x := &session{generation: cs.GenerationID(), member: cs.MemberID(), released: make(chan struct{})}
	for {
		v, err := s.cluster.view(ctx, s.match)
		if err == nil && s.identify(v) { // else nothing of the other topic may be read
			m.mu.Lock()
			m.shape = shape(v)
			m.mu.Unlock()
			var incomplete []string
			x.lanes, incomplete = s.lanes(v, cs.Claims())
			if len(incomplete) > 0 {
				s.opts.Logger.Warn("lanes wait until all processes read the same topics", "lanes", incomplete)
			}
			break
		}
		if !pause(ctx, 200*time.Millisecond) {
			break // the session ended meanwhile, and Cleanup comes next
		}
	}
	s.opts.Logger.Info("joined the group", "group", s.conf.Group, "generation", x.generation, "lanes", len(x.lanes))
	s.begin(x)
	return nil
}

// Cleanup is called by sarama when a session has ended. It returns once the engine has let go of the lanes; heartbeats go
// on until then, and the group waits up to its rebalance timeout.
func (m *member) Cleanup(cs sarama.ConsumerGroupSession) error {
	s := m.src
	s.mu.Lock()
	x := s.session
	s.mu.Unlock()
	if x == nil || x.generation != cs.GenerationID() {
		return nil
	}
	s.opts.Logger.Info("session in the group ends", "generation", x.generation, "cause", context.Cause(cs.Context()))
	s.end(x, time.Now().Add(s.opts.RebalanceTimeout*9/10))
	select {
	case <-x.released:
	case <-m.ctx.Done():
	}
	return nil
}

// ConsumeClaim is never called, since no claim is readable.
func (m *member) ConsumeClaim(cs sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-cs.Context().Done()
	return nil
}

// update joins the group again if topics or numbers of partitions have changed since the last time.
func (m *member) update(v *view) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := shape(v)
	same := len(now) == len(m.shape)
	for t, n := range now {
		same = same && m.shape[t] == n
	}
	if same {
		return
	}
	m.shape = now
	if m.rejoin != nil {
		m.rejoin()
	}
}

// close leaves the group.
func (m *member) close() {
	m.stop()
	if m.began.Load() {
		<-m.ended
	}
	_ = m.group.Close()
	_ = m.client.Close()
}

// shape is how many partitions each topic has.
func shape(v *view) map[string]int {
	out := map[string]int{}
	for name, t := range v.topics {
		out[name] = len(t.parts)
	}
	return out
}

// pause waits for about d and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
