package streamtest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Source reads a Log. It keeps to the contract of driver.Source, and RunSource checks that it does.
type Source struct {
	log  *Log
	size int

	mu       sync.Mutex
	pending  []driver.Batch // of assignments
	assigned map[string]bool
	lanes    map[string]*reader
	order    []string
	turn     int
	poke     chan struct{}
	lag      int64

	// Released counts the batches that were given back.
	Released int
	Polled   int
}

// SourceOptions are the optional settings of Log.Source; nil means all defaults.
type SourceOptions struct {
	// Lanes are assigned by the first Poll; nil is all of the log's. An empty slice is none.
	Lanes []string

	// Batch is the most records in a batch.
	//
	// Defaults to 3, so that short tests have several batches.
	Batch int
}

// reader is a lane that was started.
type reader struct {
	assignment driver.Assignment
	pending    []record.Record
	warm       []record.Record
	warming    bool
	at         map[record.Partition]int // index of the next record
	ended      map[record.Partition]bool
	paused     bool
	next       int // partition whose turn it is
}

// Source opens a source over the log.
func (l *Log) Source(opts *SourceOptions) *Source {
	var o SourceOptions
	if opts != nil {
		o = *opts
	}
	s := &Source{
		log: l, size: cmp.Or(o.Batch, 3), assigned: map[string]bool{}, lanes: map[string]*reader{}, poke: make(chan struct{}, 1),
	}
	if o.Lanes == nil {
		o.Lanes = l.Lanes()
	}
	s.Assign(o.Lanes...)
	return s
}

// Assign makes the next Poll assign lanes.
func (s *Source) Assign(lanes ...string) {
	if len(lanes) == 0 {
		return
	}
	var b driver.Batch
	for _, name := range lanes {
		for _, a := range s.log.lanes {
			if a.Lane == name {
				b.Assigned = append(b.Assigned, a)
			}
		}
	}
	s.push(b)
}

// Revoke makes the next Poll revoke lanes.
func (s *Source) Revoke(deadline time.Time, lanes ...string) {
	s.push(driver.Batch{Revoked: lanes, Deadline: deadline})
}

func (s *Source) push(b driver.Batch) {
	s.mu.Lock()
	s.pending = append(s.pending, b)
	s.mu.Unlock()
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Info names the source.
func (s *Source) Info() driver.SourceInfo {
	return driver.SourceInfo{ID: "log", Topics: []string{"log"}, Keys: driver.KeysByRange}
}

// Poll delivers the next batch: assignments first, then the lanes in turn.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	for {
		changed := s.log.wait()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if b, err := s.next(); b != nil || err != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-s.poke:
		}
	}
}

func (s *Source) next() (*driver.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Polled++
	if len(s.pending) > 0 {
		b := s.pending[0]
		s.pending = s.pending[1:]
		for _, a := range b.Assigned {
			s.assigned[a.Lane] = true
		}
		for _, name := range b.Revoked {
			delete(s.assigned, name)
			delete(s.lanes, name)
			s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == name })
		}
		return &b, nil
	}
	for range s.order {
		name := s.order[s.turn%len(s.order)]
		s.turn++
		if b := s.lanes[name].batch(s); b != nil {
			n := int64(0)
			for i := range b.Records {
				b.Records[i] = b.Records[i].Clone()
				n += int64(len(b.Records[i].Value))
			}
			b.Lane, b.Bytes = name, n
			b.Done = func() { s.released(b) }
			return b, nil
		}
	}
	return nil, s.eof()
}

// released spoils the bytes: who uses them now reads garbage.
func (s *Source) released(b *driver.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Released++
	for i := range b.Records {
		scribble(&b.Records[i])
		b.Records[i] = record.Record{}
	}
}

// eof is io.EOF once all partitions of all lanes have ended, and all lanes are ours and done.
func (s *Source) eof() error {
	if len(s.lanes) < len(s.log.lanes) {
		return nil
	}
	for _, r := range s.lanes {
		if len(r.ended) < len(r.assignment.Partitions) {
			return nil
		}
	}
	return io.EOF
}

// batch is the lane's next batch; nil is none.
func (r *reader) batch(s *Source) *driver.Batch {
	take := func(from *[]record.Record) (b *driver.Batch) {
		n := min(s.size, len(*from))
		b = &driver.Batch{Records: slices.Clone((*from)[:n])}
		*from = (*from)[n:]
		return b
	}
	switch {
	case r.paused:
		return nil
	case r.warming:
		b := take(&r.warm)
		b.Warm, b.WarmDone = true, len(r.warm) == 0
		r.warming = len(r.warm) > 0
		return b
	case len(r.pending) > 0:
		return take(&r.pending)
	}
	for range r.assignment.Partitions {
		p := r.assignment.Partitions[r.next%len(r.assignment.Partitions)]
		r.next++
		if r.ended[p] {
			continue
		}
		records, ended, children := s.log.read(p, r.at[p], s.size)
		if len(records) == 0 && !ended {
			continue
		}
		r.at[p] += len(records)
		b := &driver.Batch{Records: records}
		if ended {
			r.ended[p] = true
			b.Ended = []driver.Ended{{Partition: p, Children: children}}
		}
		return b
	}
	return nil
}

// Start begins a lane.
func (s *Source) Start(_ context.Context, st driver.Start) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.assigned[st.Lane] {
		return fmt.Errorf("lane %s is not assigned", st.Lane)
	}
	i := slices.IndexFunc(s.log.lanes, func(a driver.Assignment) bool { return a.Lane == st.Lane })
	r := &reader{
		assignment: s.log.lanes[i], at: map[record.Partition]int{}, ended: map[record.Partition]bool{}, warming: st.Warmup > 0,
	}
	if old := s.lanes[st.Lane]; old != nil {
		r.paused = old.paused
	} else {
		s.order = append(s.order, st.Lane)
	}
	for _, p := range r.assignment.Partitions {
		from, ok := st.From[p]
		if !ok {
			return fmt.Errorf("Start of lane %s says nothing of %v", st.Lane, p)
		}
		if err := r.position(s.log, p, from, &st); err != nil {
			return err
		}
	}
	s.lanes[st.Lane] = r
	return nil
}

func (r *reader) position(l *Log, p record.Partition, from driver.Progress, st *driver.Start) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.parts[p]
	r.at[p] = int(from.UpTo.Sub)
	if from.Ended {
		r.ended[p] = true
	}
	pending := map[int]bool{}
	for _, ord := range from.Pending.Ordinals {
		i := int(from.Pending.First.Sub) - 1 + int(ord)
		if i < log.kept {
			return fmt.Errorf("%w: pending record %d of %v", driver.ErrLost, i+1, p)
		}
		pending[i] = true
	}
	if r.at[p] < log.kept {
		return fmt.Errorf("%w: records %d to %d of %v", driver.ErrLost, r.at[p]+1, log.kept, p)
	}
	for _, i := range slices.Sorted(maps.Keys(pending)) {
		r.pending = append(r.pending, log.records[i])
	}
	for i := log.kept; i < r.at[p]; i++ {
		if st.Warmup > 0 && !pending[i] && !log.records[i].Time.Before(st.WarmFrom) {
			r.warm = append(r.warm, log.records[i])
		}
	}
	return nil
}

// Pause stops or resumes a lane.
func (s *Source) Pause(lane string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.lanes[lane]; r != nil {
		r.paused = on
	}
}

// Paused returns the lanes that are paused.
func (s *Source) Paused() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.lanes {
		if r.paused {
			names = append(names, name)
		}
	}
	return names
}

// AtEnd asks the log.
func (s *Source) AtEnd(_ context.Context, at map[record.Partition]record.Position) (proved []record.Partition, err error) {
	for p, pos := range at {
		if s.log.atEnd(p, pos) {
			proved = append(proved, p)
		}
	}
	return proved, nil
}

// Partitions lists the log's partitions.
func (s *Source) Partitions(context.Context) (all []record.Partition, err error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.log.parts), record.Partition.Compare), nil
}

// SetLag sets what Health says of the lag.
func (s *Source) SetLag(records int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = records
}

// Health has the lag that SetLag was given.
func (s *Source) Health() driver.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return driver.Health{Lag: driver.Lag{Records: s.lag}}
}

// Close does nothing.
func (s *Source) Close() error { return nil }
