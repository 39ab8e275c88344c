package metrics

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/workers"
)

// Set is what a process tells of its jobs and of what stands around them. It is safe for concurrent use. What is added again
// under the same name takes the place of what was there.
type Set struct {
	opts Options

	mu       sync.Mutex // a leaf
	jobs     []*Job     // by name
	watchers []func(*Job, stream.Status)
	stores   []named[*countedStore]
	dedups   []named[*dedup.Stats]
	workers  []named[func() workers.Status]
	delivery []named[func() delivery.Status]
	audits   []named[*latest[*audit.Report]]
	scalers  []named[*decisions]
}

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Partitions is how many partitions of a job have series of their own: those that are farthest behind.
	//
	// Defaults to 100. -1 is none.
	Partitions int

	// Now is the machine's clock, for tests.
	Now func() time.Time
}

// New makes a Set that has nothing.
func New(opts *Options) *Set {
	s := &Set{}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.Partitions = cmp.Or(s.opts.Partitions, 100)
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	return s
}

// named is something with the values of its first labels.
type named[T any] struct {
	labels []string
	is     T
}

// put puts something under its labels, in order, in the place of what had them.
func put[T any](list []named[T], is T, labels ...string) []named[T] {
	for i := range labels {
		labels[i] = label(labels[i])
	}
	at, found := slices.BinarySearchFunc(list, labels, func(n named[T], l []string) int { return slices.Compare(n.labels, l) })
	if found {
		list = slices.Clone(list) // others may be at it
		list[at].is = is
		return list
	}
	return slices.Insert(slices.Clone(list), at, named[T]{labels, is})
}

// mostLabel bounds the length of labels, in bytes.
const mostLabel = 128

// label makes s fit to be the value of a label: it is valid UTF-8 and not long.
func label(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > mostLabel {
		s = strings.ToValidUTF8(s[:mostLabel-3], "") + "..."
	}
	return s
}

// Output tells how far a whole job is. A *sink.Sink is one, without a request to its store.
type Output interface {
	State() *sink.JobState // nil if it is not known
	Explain(hour time.Time) (list []sink.HourBlocker, known bool)
}

// Job adds a job, which writes to out. nil is well: then there is nothing of its partitions and hours.
func (s *Set) Job(name string, out Output) *Job {
	j := &Job{set: s, name: label(name), out: out}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := slices.BinarySearchFunc(s.jobs, j.name, func(j *Job, name string) int { return strings.Compare(j.name, name) })
	s.jobs = slices.Clone(s.jobs)
	if found {
		s.jobs[at] = j
	} else {
		s.jobs = slices.Insert(s.jobs, at, j)
	}
	return j
}

// Jobs returns all jobs, by name.
func (s *Set) Jobs() []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs
}

// Watch has f called with each Status that a job observes, after what was added before. It must not block.
func (s *Set) Watch(f func(*Job, stream.Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(slices.Clone(s.watchers), f)
}

// Dedup adds what a stage counts in dedup.Options.Stats. stage is dedup.Options.Name.
func (s *Set) Dedup(job, stage string, stats *dedup.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dedups = put(s.dedups, stats, job, stage)
}

// Workers adds the Status of a workers.Workers.
func (s *Set) Workers(job, stage string, status func() workers.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = put(s.workers, status, job, stage)
}

// Delivery adds the Status of a delivery.Delivery.
func (s *Set) Delivery(name string, status func() delivery.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivery = put(s.delivery, status, name)
}

// Audit adds an audit of a job. What it returns is for audit.Options.Observe.
func (s *Set) Audit(job string) (observe func(*audit.Report)) {
	l := &latest[*audit.Report]{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audits = put(s.audits, l, job)
	return l.set
}

// Scaler adds a scaler of a job. What it returns is for scaler.Options.OnDecision.
func (s *Set) Scaler(job string) (onDecision func(scaler.Decision)) {
	d := &decisions{actions: map[scaler.Action]int64{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scalers = put(s.scalers, d, job)
	return d.note
}

// Store adds a store, and returns it as one that counts calls. Give that to whatever uses it.
func (s *Set) Store(name string, store sink.Store) sink.Store {
	c := &countedStore{Store: store}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores = put(s.stores, c, name)
	return c
}

// Collect emits all values there are at present. A value that is not known is left out. labels are values for
// Metric.Labels, in that order. They and the Metric must neither be kept nor changed. No two values have the same metric
// and labels.
func (s *Set) Collect(emit func(m *Metric, value float64, labels ...string)) {
	s.mu.Lock()
	jobs, stores, dedups, tasks, delivered, audits, scalers := s.jobs, s.stores, s.dedups, s.workers, s.delivery, s.audits, s.scalers
	s.mu.Unlock()
	for _, j := range jobs {
		if r := j.reading(); r != nil {
			collect(jobFamilies, r, emit, j.name)
		}
	}
	for _, n := range stores {
		collect(storeFamilies, n.is, emit, n.labels...)
	}
	for _, n := range dedups {
		collect(dedupFamilies, n.is, emit, n.labels...)
	}
	for _, n := range tasks {
		st := n.is()
		collect(workersFamilies, &st, emit, n.labels...)
	}
	for _, n := range delivered {
		st := n.is()
		collect(deliveryFamilies, &st, emit, n.labels...)
	}
	for _, n := range audits {
		if r := n.is.get(); r != nil {
			collect(auditFamilies, r, emit, n.labels...)
		}
	}
	for _, n := range scalers {
		collect(scalerFamilies, n.is, emit, n.labels...)
	}
}

// latest is the last value of something.
type latest[T any] struct {
	mu sync.Mutex
	v  T
}

func (l *latest[T]) set(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.v = v
}

func (l *latest[T]) get() T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.v
}

// decisions are those of a scaler.
type decisions struct {
	mu      sync.Mutex
	actions map[scaler.Action]int64
	last    scaler.Decision
}

func (d *decisions) note(x scaler.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.actions[x.Action]++
	d.last = x
}
