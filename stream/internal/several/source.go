package several

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// ID is that of a source all of whose members have names.
const ID = "several"

// Source is one source made of several. It is a driver.Source with its rules of concurrent use, and also a driver.Follower
// and a driver.Reporter, whose methods may be called at any time.
type Source struct {
	info    driver.SourceInfo
	members []*member // by name
	wake    chan struct{}
	turn    int // whose batch is looked for first; the goroutine of Poll's
	nudged  atomic.Bool
}

// New makes a source of members, which it closes.
func New(members map[string]driver.Source) (*Source, error) {
	s := &Source{
		info: driver.SourceInfo{ID: ID, Sources: map[string]driver.SourceInfo{}, Keys: driver.KeysAnywhere},
		wake: make(chan struct{}, 1),
	}
	if len(members) == 0 {
		return nil, errors.New("stream: Sources needs at least one source")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := s.add(name, members[name]); err != nil {
			return nil, fmt.Errorf("stream: source %q: %w", name, err)
		}
	}
	if len(members) == 1 { // equal keys are where they were
		s.info.Keys = s.members[0].info.Keys
	}
	slices.Sort(s.info.Topics)
	slices.Sort(s.info.Compacted)
	return s, nil
}

func (s *Source) add(name string, src driver.Source) error {
	if name != "" && !sourcename.Legal(name) {
		return fmt.Errorf("the name has other characters than lower-case letters, digits and dashes, does not begin with a letter, or is longer than %d", sourcename.Most)
	}
	if src == nil {
		return errors.New("it is nil")
	}
	m := &member{
		names: names{name: name, pointers: map[string]map[record.Partition]*record.Partition{}}, src: src, info: src.Info(), wake: s.wake, paused: map[string]int{},
	}
	m.follower, _ = src.(driver.Follower)
	switch {
	case m.info.Sources != nil:
		return errors.New("it is made of several sources itself")
	case m.follower == nil && (m.info.LanesEnd || m.info.Follows):
		return fmt.Errorf("%T must know what is committed, so it must be a driver.Follower; who wraps a source must pass on all of its methods", src)
	case slices.ContainsFunc(m.info.Topics, func(t string) bool { of, _ := sourcename.Split(t); return of != "" }):
		return fmt.Errorf("the topics %q have what looks like the name of a source before an equals sign", m.info.Topics)
	case name == "":
		s.info.ID = m.info.ID
	}
	s.members = append(s.members, m)
	i := &s.info
	i.Sources[name] = m.info
	i.Topics = append(i.Topics, each(m.info.Topics, m.lane)...)
	i.Compacted = append(i.Compacted, each(m.info.Compacted, m.lane)...)
	i.Folders = append(i.Folders, m.info.Folders...)
	i.Follows, i.LanesEnd = i.Follows || m.info.Follows, i.LanesEnd || m.info.LanesEnd
	return nil
}

// Info names the source after the member without a name. If there is none, the first run does not fix what is read: the
// ledger's configuration does.
func (s *Source) Info() driver.SourceInfo { return s.info }

// Nudge makes a Poll that waits, or else the next one, return no batch. Any goroutine may call it.
func (s *Source) Nudge() {
	s.nudged.Store(true)
	retry.Wake(s.wake)
}

// Poll returns what a member has delivered. All are polled side by side, and take turns. The batch is nil after Nudge.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	for {
		if s.nudged.Swap(false) {
			return nil, nil
		}
		for range s.members {
			m := s.members[s.turn%len(s.members)]
			s.turn++
			if r := m.deliver(); r != nil {
				return r.batch, r.err
			}
		}
		over := true
		for _, m := range s.members {
			m.begin()
			over = over && m.ended && len(m.aside) == 0
		}
		if over {
			return nil, io.EOF
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// of returns the member that has a lane, and what it calls it.
func (s *Source) of(lane string) (*member, string) {
	name, inner := sourcename.Split(lane)
	var alone *member
	for _, m := range s.members {
		switch m.name {
		case name:
			return m, inner
		case "":
			alone = m
		}
	}
	return alone, lane
}

// Start begins a lane.
func (s *Source) Start(ctx context.Context, st driver.Start) error {
	m, lane := s.of(st.Lane)
	if m == nil {
		return fmt.Errorf("stream: lane %q belongs to no source", st.Lane)
	}
	st.Lane = lane
	return m.start(ctx, st)
}

// Pause stops or resumes the delivery of a lane.
func (s *Source) Pause(lane string, on bool) {
	if m, lane := s.of(lane); m != nil {
		m.pause(lane, on)
	}
}

// Finish tells the members which of their lanes are over.
func (s *Source) Finish(lanes []string) {
	for _, m := range s.members {
		var some []string
		for _, lane := range lanes {
			if of, inner := s.of(lane); of == m {
				some = append(some, inner)
			}
		}
		if len(some) > 0 {
			m.finish(some)
		}
	}
}

// Close ends all members.
func (s *Source) Close() error {
	return s.all(func(m *member) error { return m.close() })
}

// all calls f for all members at once, so that one that does not answer delays no other.
func (s *Source) all(f func(*member) error) error {
	errs := make([]error, len(s.members))
	var group sync.WaitGroup
	for i, m := range s.members {
		group.Go(func() { errs[i] = f(m) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// AtEnd asks all members. One that does not answer does not hide what the others prove.
func (s *Source) AtEnd(ctx context.Context, at map[record.Partition]record.Position) (proved []record.Partition, err error) {
	var mu sync.Mutex
	err = s.all(func(m *member) error {
		some := mine(&m.names, at, same)
		if len(some) == 0 {
			return nil
		}
		ended, err := m.src.AtEnd(ctx, some)
		mu.Lock()
		defer mu.Unlock()
		proved = append(proved, each(ended, m.out)...)
		return m.wrap(err)
	})
	return proved, err
}

// Partitions lists those of all members. If one does not answer nobody knows them all, and no hour may close.
func (s *Source) Partitions(ctx context.Context) (list []record.Partition, err error) {
	var mu sync.Mutex
	err = s.all(func(m *member) error {
		some, err := m.src.Partitions(ctx)
		mu.Lock()
		defer mu.Unlock()
		list = append(list, each(some, m.out)...)
		return m.wrap(err)
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Begin gives each member its part of the ledger.
func (s *Source) Begin(ctx context.Context, l driver.Ledger) error {
	return s.all(func(m *member) error {
		if m.follower == nil {
			return nil
		}
		return m.wrap(m.follower.Begin(ctx, m.view(l)))
	})
}

// Ack tells each member what is committed of its partitions.
func (s *Source) Ack(ctx context.Context, upTo map[record.Partition]record.Position) error {
	return s.all(func(m *member) error {
		some := mine(&m.names, upTo, same)
		if m.follower == nil || len(some) == 0 {
			return nil
		}
		return m.wrap(m.follower.Ack(ctx, some))
	})
}

// Acked asks each member what it was told of its partitions. One that does not answer does not hide what the others say.
func (s *Source) Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error) {
	var mu sync.Mutex
	acked := map[record.Partition]record.Position{}
	err := s.all(func(m *member) error {
		var some []record.Partition
		for _, p := range parts {
			if p, ok := m.in(p); ok {
				some = append(some, p)
			}
		}
		if m.follower == nil || len(some) == 0 {
			return nil
		}
		at, err := m.follower.Acked(ctx, some)
		mu.Lock()
		defer mu.Unlock()
		ours(&m.names, at, acked)
		return m.wrap(err)
	})
	return acked, err
}

// Health adds up how far the members are behind. One whose lag is not known makes the sum unknown.
func (s *Source) Health() driver.Health {
	var h driver.Health
	var errs []error
	for _, m := range s.members {
		r, ok := m.src.(driver.Reporter)
		if !ok {
			continue
		}
		of := r.Health()
		if of.Lag.Records < 0 || h.Lag.Records < 0 {
			h.Lag.Records = -1
		} else {
			h.Lag.Records += of.Lag.Records
		}
		h.Lag.Retention = least(h.Lag.Retention, of.Lag.Retention)
		errs = append(errs, m.wrap(of.Stalled))
	}
	h.Stalled = errors.Join(errs...)
	return h
}

// least is the smaller of two durations; zero is unknown.
func least(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
