package lease

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

// buffer gets what a member logs.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// reader is a process that reads the lanes of a member.
type reader struct {
	*Member
	job    *job
	done   chan struct{}
	finish time.Duration // how long it takes to commit before it releases a lane
	log    *buffer
	err    error // of Next, once done
}

// job is all readers. It notes who reads what.
type job struct {
	t     *testing.T
	table Table
	opts  Options
	lanes []string

	mu      sync.Mutex
	reading map[string]map[string]bool // members by lane
	twice   int                        // how often a lane had two readers
	changes int

	news chan struct{} // something has changed
}

func newJob(t *testing.T, table Table, lanes int) *job {
	j := &job{t: t, table: table, reading: map[string]map[string]bool{}, news: make(chan struct{}, 1)}
	for i := range lanes {
		j.lanes = append(j.lanes, fmt.Sprintf("lane%03d", i))
	}
	return j
}

func (j *job) join() *reader {
	j.t.Helper()
	log, opts := &buffer{}, j.opts
	opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	m, err := Join(j.t.Context(), j.table, &opts)
	if err != nil {
		j.t.Fatal(err)
	}
	m.SetLanes(j.lanes, nil)
	r := &reader{Member: m, job: j, done: make(chan struct{}), log: log}
	go r.read()
	return r
}

func (j *job) begin(lane, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.reading[lane] == nil {
		j.reading[lane] = map[string]bool{}
	}
	j.reading[lane][name] = true
	j.changes++
	retry.Wake(j.news)
	if len(j.reading[lane]) > 1 {
		j.twice++
	}
}

func (j *job) end(lane, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.reading[lane], name)
	j.changes++
	retry.Wake(j.news)
}

func (r *reader) read() {
	defer close(r.done)
	var mine []string
	for {
		lanes, _, err := r.Next(context.Background())
		if err != nil {
			r.err = err
			return
		}
		for _, l := range mine {
			if !slices.Contains(lanes, l) {
				if r.finish > 0 {
					<-time.After(r.finish)
				}
				r.job.end(l, r.Name())
				r.Release(l)
			}
		}
		for _, l := range lanes {
			if !slices.Contains(mine, l) {
				r.job.begin(l, r.Name())
			}
		}
		mine = lanes
	}
}

// kill ends a member without a word.
func (r *reader) kill() {
	r.stop()
	<-r.done
	for _, l := range r.job.lanes {
		r.job.end(l, r.Name())
	}
}

func (r *reader) leave() {
	r.job.t.Helper()
	if err := r.Close(); err != nil {
		r.job.t.Error(err)
	}
	<-r.done
	for _, l := range r.job.lanes {
		r.job.end(l, r.Name())
	}
}

// loads are the numbers of lanes of the members, sorted; each lane must have one reader.
func (j *job) loads() (out []int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := map[string]int{}
	for _, l := range j.lanes {
		if len(j.reading[l]) != 1 {
			j.t.Errorf("%s has %d readers", l, len(j.reading[l]))
		}
		for name := range j.reading[l] {
			n[name]++
		}
	}
	for _, c := range n {
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

func (j *job) twiceRead() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.twice
}

func (j *job) changed() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changes
}

// read counts the lanes that have been read.
func (j *job) read() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.reading)
}

func pass(d time.Duration) {
	<-time.After(d) // in a bubble
	synctest.Wait()
}

// gate holds up the calls of one member, as a pause of its process does.
type gate struct {
	Table
	mu     sync.Mutex
	closed chan struct{} // nil is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.closed)
	g.closed = nil
}

func (g *gate) List(ctx context.Context) ([]Item, error) {
	items, err := g.Table.List(ctx) // read before the pause and used after it: the worst case
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		<-closed
	}
	return items, err
}

// held counts the lanes of a reader.
func (j *job) pending(r *reader) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, rs := range j.reading {
		if rs[r.Name()] {
			n++
		}
	}
	return n
}
