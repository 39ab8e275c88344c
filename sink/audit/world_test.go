package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

const lanes = 3

// world is a source, a store, and the job between them, in the time of a bubble.
type world struct {
	t     *testing.T
	log   *streamtest.Log
	store *sinktest.Memory
	stop  func()

	undated bool // the records' times are not those at which they came
}

// undated is a source whose records have the times that their producers set, as those of a Kafka topic have.
type undated struct{ *streamtest.Source }

func (u undated) Poll(ctx context.Context) (*driver.Batch, error) {
	b, err := u.Source.Poll(ctx)
	if b != nil {
		b.Undated = true
	}
	return b, err
}

type event struct {
	ID string
	At time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, log: streamtest.NewLog(1, 1, 1), store: sinktest.NewMemory()}
}

func (w *world) config() audit.Config {
	f := folder(w.t, w.store)
	return audit.Config{Output: w.store, Job: "etl", Batches: f, Registry: audit.NewObjects(f)}
}

func parse(r *record.Record) (e event, err error) {
	err = json.Unmarshal(r.Value, &e)
	return e, err
}

// start begins the job, which goes on where the last one ended.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	out, err := sink.Open(ctx, w.store, "etl", []sink.Flow[event]{{Name: "rows", Format: format.JSONLines[event]()}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var src stream.Source = w.log.Source(nil)
	if w.undated {
		src = undated{w.log.Source(nil)}
	}
	pipe := stream.Via(stream.Via(stream.From(src), audit.Count(nil)), stream.Decode(parse, func(e *event) time.Time { return e.At }))
	ended := make(chan error, 1)
	go func() {
		ended <- stream.Run(ctx, pipe, seal.Hourly(out, nil), &stream.Options{CommitEvery: 2 * time.Second})
	}()
	w.stop = func() {
		w.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

// put puts a line into the source.
func (w *world) put(l *audit.Line) {
	h := fnv.New32a()
	_, _ = h.Write(l.Event.Value)
	w.log.Append(int(h.Sum32()%lanes), 0, time.Now(), string(append(l.Mark.AppendPrefix(nil), l.Event.Value...)))
}

// rows counts the rows in the output by ID.
func (w *world) rows() map[string]int {
	w.t.Helper()
	rows := map[string]int{}
	for m, err := range sink.Committed(w.t.Context(), w.store, "etl", 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range m.Files {
			if f.Kind != manifest.OnTime && f.Kind != manifest.Late {
				continue
			}
			body, err := w.store.Read(w.t.Context(), f.Key, 1<<20)
			if err != nil {
				w.t.Fatal(err)
			}
			for d := json.NewDecoder(strings.NewReader(string(body))); ; {
				var e event
				if err := d.Decode(&e); err == io.EOF {
					break
				} else if err != nil {
					w.t.Fatal(err)
				}
				rows[e.ID]++
			}
		}
	}
	return rows
}

func (w *world) check() *audit.Report {
	w.t.Helper()
	r, err := audit.Check(w.t.Context(), w.config(), time.Now().Add(-6*time.Hour), time.Now().Add(time.Second), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // the clock of the bubble

func made(from, n int) (all []audit.Event) {
	for i := range n {
		e, err := json.Marshal(event{fmt.Sprint(from + i), time.Now().UTC()})
		if err != nil {
			panic(err)
		}
		all = append(all, audit.Event{Value: e, Time: time.Now()})
	}
	return all
}

// losses is a Sender that loses, doubles and refuses what a test says.
type losses struct {
	w    *world
	fate func(l *audit.Line, try int) (copies int, err error)

	mu   sync.Mutex
	sent map[audit.Mark]int // how often it was tried
	lost int
}

func (s *losses) Send(_ context.Context, lines []audit.Line) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent = map[audit.Mark]int{}
	}
	for i := range lines {
		l := &lines[i]
		s.sent[l.Mark]++
		n, err := s.fate(l, s.sent[l.Mark])
		if n == 0 {
			s.lost++
		}
		for range n {
			s.w.put(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
