package sim

import (
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// source has the lanes and logs that the instances read.
type source struct {
	sched *scheduler
	cfg   *config

	lanes     []*lane // that are listed
	parts     map[record.Partition]*partition
	partList  []*partition   // in the order in which they came to be
	numbers   map[string]int // of lanes, by topic
	upgraded  bool           // the second topic exists
	resharded int            // splits and merges so far
}

func newSource(s *scheduler, cfg *config) *source {
	return &source{sched: s, cfg: cfg, parts: map[record.Partition]*partition{}, numbers: map[string]int{}}
}

// topics are those of the lanes of the first generation.
func (s *source) topics() []string {
	if s.cfg.pairs {
		return []string{"a", "ax"}
	}
	return []string{"a"}
}

// read are the topics that a job reads now, and its generation.
func (s *source) read() (topics []string, generation uint64) {
	topics, generation = s.topics(), 1
	if s.upgraded {
		topics, generation = append(topics, "b"), 2
	}
	return topics, generation
}

// grow lets lanes and topics appear.
func (s *source) grow() {
	if s.cfg.grows && s.numbers["a"] < 5 && s.sched.chance(0.002) {
		s.addLane(s.topics()...)
	}
	if s.cfg.upgrade && !s.upgraded && s.sched.chance(0.005) {
		s.upgraded = true
		s.addLane("b")
	}
}

// addLane makes a lane with a partition of each of the topics.
func (s *source) addLane(topics ...string) {
	n := s.numbers[topics[0]]
	s.numbers[topics[0]]++
	l := &lane{name: fmt.Sprintf("%s-%d", topics[0], n)}
	for _, t := range topics {
		p := &partition{id: record.Partition{Source: t, Epoch: "1", ID: fmt.Sprintf("%s%d", t, n)}, lane: l.name, topic: t}
		if s.cfg.reshards {
			l.name, p.shard = p.id.ID, shard{lo: float64(n), hi: float64(n + 1)}
			p.lane = l.name
		}
		l.parts = append(l.parts, p)
		s.parts[p.id] = p
		s.partList = append(s.partList, p)
	}
	if l.since = s.sched.now; s.sched.now != s.sched.began && s.sched.chance(0.5) {
		l.since = s.sched.now.Add(s.sched.upTo(2 * hour)) // hours wait for it
	}
	s.lanes = append(s.lanes, l)
	s.sched.logf("lane %s with %d partitions", l.name, len(l.parts))
}

// any is a random partition, be it over or not.
func (s *source) any() *partition { return s.partList[s.sched.rng.IntN(len(s.partList))] }

// anyLane is a random lane.
func (s *source) anyLane() *lane { return s.lanes[s.sched.rng.IntN(len(s.lanes))] }

// remove takes a lane off the list.
func (s *source) remove(l *lane) {
	s.lanes = slices.DeleteFunc(s.lanes, func(m *lane) bool { return m == l })
}

// listed are the partitions that the source has.
func (s *source) listed(topics []string) (list []record.Partition) {
	for _, p := range s.partList {
		if !p.retired && p.hidden.IsZero() && slices.Contains(topics, p.topic) {
			list = append(list, p.id)
		}
	}
	return list
}
