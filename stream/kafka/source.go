package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
	"github.com/onceflow/onceflow/stream/kafka/internal/fetch"
	"github.com/onceflow/onceflow/stream/kafka/internal/group"
	"github.com/onceflow/onceflow/stream/kafka/internal/proof"
	"github.com/onceflow/onceflow/stream/record"
)

// Source reads the lanes that the consumer group gives to this process. It is a driver.Source, with its rules of concurrent
// use, and also a driver.Follower and driver.Reporter, whose methods may be called at any time.
//
// Its parts have all the state, each with a lock. No two of these are held at once, with one exception: under
// fetch.Reader's lock those of its pool and of cluster.Topics are taken.
type Source struct {
	opts    *Options
	info    driver.SourceInfo
	cluster *cluster.Cluster
	prover  *proof.Prover
	lanes   assigner
	group   *group.Member // lanes, if it is one; else nil
	fetch   *fetch.Reader
	watcher *watcher

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	undial context.CancelFunc // ends all connecting
	tasks  sync.WaitGroup
	closed sync.Once
}

// assigner says which lanes are ours: a member of a group, or who reads what it is given. package group has both.
type assigner interface {
	Start()
	Tell() (given, taken []cluster.Lane, deadline time.Time)
	LetGo()
	Ended() bool
	Update(v *cluster.View)
	Outside() (since time.Time, why error)
	Name() string
	Close()
}

// Open connects to a cluster and checks that everything that c names exists and can be used. The first call of Poll joins
// the group. ctx bounds Open alone.
func Open(ctx context.Context, c Config, o *Options) (*Source, error) {
	opts, err := o.fill()
	if c.Group == "" {
		err = errors.Join(errors.New("no Group"), err)
	}
	if err := errors.Join(c.validate(), err); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return open(ctx, c, opts)
}

// open connects. c without a group reads what it is given.
func open(ctx context.Context, c Config, opts *Options) (*Source, error) {
	s := &Source{opts: opts}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var dialing context.Context
	dialing, s.undial = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, s.undial)
	defer stop()
	access := opts.access()
	match, _ := cluster.NewMatcher(c.Topics) // checked by validate
	s.cluster = cluster.New(dialing, access, c.Brokers)
	s.prover = proof.New(dialing, access, s.cluster, match)
	s.watcher = &watcher{opts: opts, cluster: s.cluster, match: match, topics: &cluster.Topics{}, kick: make(chan struct{}, 1)}
	s.fetch = fetch.New(s.ctx, opts.fetching(access, s.watcher))
	s.watcher.fetch = s.fetch
	v, err := s.inspect(ctx)
	switch {
	case err != nil:
	case c.Group == "":
		s.lanes = group.NewGiven(s.watcher, v, opts.Separate)
	default:
		if s.group, err = group.New(s.ctx, access.Sarama(dialing), opts.membership(&c), s.watcher, v); err == nil {
			s.lanes = s.group
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.watcher.lanes, s.watcher.compacted = s.lanes, len(s.info.Compacted) > 0
	topics := slices.Clone(c.Topics)
	slices.Sort(topics)
	s.info.ID, s.info.Topics, s.info.Keys = "kafka:"+v.Cluster, slices.Compact(topics), driver.KeysByCount
	s.info.FromZero = true // a position is the offset + 1
	s.tasks.Go(func() { s.watcher.run(s.ctx) })
	return s, nil
}

// inspect checks the topics.
func (s *Source) inspect(ctx context.Context) (*cluster.View, error) {
	w := s.watcher
	v, err := s.cluster.View(ctx, w.match)
	// A topic that was made a moment ago is not known to all brokers yet.
	for range 10 {
		if err != nil || len(v.Missing) == 0 || retry.Wait(ctx, 200*time.Millisecond) != nil {
			break
		}
		v, err = s.cluster.View(ctx, w.match)
	}
	if err != nil {
		return nil, err
	}
	if len(v.Missing) > 0 {
		return nil, fmt.Errorf("kafka: cluster %s has no topic %q, or %s may not see it", v.Cluster, v.Missing, s.opts.SASL)
	}
	if !s.opts.Separate {
		if err := v.Uneven(); err != nil {
			return nil, err
		}
	}
	w.same(v)
	s.info.Compacted, err = w.learn(ctx, v)
	return v, err
}

// Info names the cluster and the topics.
func (s *Source) Info() driver.SourceInfo { return s.info }

// Poll returns an assignment, a revocation or records. The first call joins the group.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	s.lanes.Start()
	s.lanes.LetGo()
	for {
		if err := s.fetch.Err(); err != nil {
			return nil, err
		}
		if b := s.tell(); b != nil {
			return b, nil
		}
		if b, err := s.fetch.Next(); b != nil || err != nil {
			return b, err
		}
		select {
		case <-s.fetch.Ready():
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, fault.ErrClosed
		}
	}
}

// tell returns what the group has to tell; nil is nothing.
func (s *Source) tell() *driver.Batch {
	given, taken, deadline := s.lanes.Tell()
	switch {
	case len(taken) > 0:
		s.fetch.Drop(taken)
		b := &driver.Batch{Deadline: deadline}
		for _, l := range taken {
			b.Revoked = append(b.Revoked, l.Name)
		}
		return b
	case len(given) > 0:
		s.fetch.Add(given)
		if s.lanes.Ended() { // meanwhile
			s.fetch.Revoke()
		}
		b := &driver.Batch{}
		for _, l := range given {
			a := driver.Assignment{Lane: l.Name}
			for _, p := range l.Parts {
				a.Partitions = append(a.Partitions, p.Name)
			}
			b.Assigned = append(b.Assigned, a)
		}
		return b
	}
	return nil
}

// Start begins a lane at its progress. It ignores a lane that was revoked meanwhile, since Poll will say so.
func (s *Source) Start(_ context.Context, st driver.Start) error {
	if known, err := s.fetch.Start(&st); known || s.lanes.Ended() {
		return err
	}
	return fmt.Errorf("kafka: lane %q was not assigned", st.Lane)
}

// KeepLanes makes lanes stay while the group cannot be reached: they are revoked once it has answered and others are assigned. It is
// called before the first Poll, by a merge whose other sides can be read meanwhile. Who alone cannot reach the group then works
// beside the new owners of its lanes for a while; the ledger lets one of them win.
func (s *Source) KeepLanes() {
	if s.group != nil {
		s.group.KeepLanes()
	}
}

// Pause stops or resumes the delivery of a lane.
func (s *Source) Pause(name string, on bool) { s.fetch.Pause(name, on) }

// AtEnd asks the leaders.
func (s *Source) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	return s.prover.AtEnd(ctx, at)
}

// Partitions asks the cluster, not a cache, which partitions of the topics exist.
func (s *Source) Partitions(ctx context.Context) ([]record.Partition, error) {
	v, err := s.cluster.View(ctx, s.watcher.match)
	if err != nil {
		return nil, err
	}
	return v.Partitions(), nil
}

// Ack writes the group's offsets, for lag monitors, with the ledger's name as metadata. It never fails a job: if the group
// has moved on or the coordinator is away, that is logged.
func (s *Source) Ack(ctx context.Context, upTo map[record.Partition]record.Position) error {
	s.fetch.Acked(upTo)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.group == nil {
		return nil
	}
	if err := s.group.Commit(upTo); err != nil {
		s.opts.Logger.Debug("offsets are not committed", "error", err)
	}
	return nil
}

// Begin keeps the name of the ledger for Ack.
func (s *Source) Begin(_ context.Context, l driver.Ledger) error {
	if s.group != nil {
		s.group.Sign(l.Signature)
	}
	return nil
}

// Finish does nothing: lanes do not end one by one.
func (s *Source) Finish([]string) {}

// Acked asks the coordinator for the group's offsets, and returns those that Ack wrote for the same ledger.
func (s *Source) Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error) {
	if s.group == nil {
		return nil, nil
	}
	return s.group.Acked(ctx, parts)
}

// Health returns how far delivery is behind, by the last answers, and what should make progress and does not: halted
// partitions, partitions whose broker gives nothing usable, open transactions that hang, a group that cannot be joined.
func (s *Source) Health() driver.Health {
	err := s.fetch.Stalled()
	if since, why := s.lanes.Outside(); !since.IsZero() && time.Since(since) > s.opts.Stall {
		err = errors.Join(s.watcher.outside(since, why), err)
	}
	return driver.Health{Lag: s.fetch.Lag(), Stalled: err}
}

// closing is how long Close waits for a broker that does not answer before it closes all connections.
const closing = 3 * time.Second

// Close leaves the group and ends all goroutines and connections.
func (s *Source) Close() error {
	s.closed.Do(func() {
		s.cancel()
		defer time.AfterFunc(closing, s.undial).Stop()
		if s.lanes != nil {
			s.lanes.Close()
		}
		s.undial()
		s.prover.Close()
		s.cluster.Close()
		s.tasks.Wait() // first: the watcher makes loops
		s.fetch.Wait()
		if s.group != nil {
			s.group.Wait()
		}
	})
	return nil
}
