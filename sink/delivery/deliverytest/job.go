package deliverytest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Name is the name of the jobs of this package, and Flow that of their flow, which has JSON lines in gzip.
const (
	Name = "job"
	Flow = "rows"
)

// Noon is the event time of rows that say none.
var Noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// Row is what jobs of this package write.
type Row struct {
	ID   int64     `json:"id"`
	Note string    `json:"note"`
	At   time.Time `json:"at"`
}

// Job is a job that commits what it is told to. It is not safe for concurrent use.
type Job struct {
	Store sink.Store

	t    testing.TB
	ctx  context.Context //nolint:containedctx // that of the test, which outlives the job
	out  *sink.Sink[Row]
	txn  driver.Txn[Row]
	at   driver.Progress
	read int64
	sums record.Counts
}

// lane is the lane of a Job, with one partition.
const lane = "lane"

var partition = record.Partition{Source: "deliverytest", ID: lane}

// NewJob begins a job in store, or goes on with it. nil is a new store in memory.
func NewJob(t testing.TB, store sink.Store) *Job {
	t.Helper()
	return begin(t, store, false)
}

// NewMergedJob is NewJob with sink.Flow.Merge and a key, so that its transactions have packs instead of files.
func NewMergedJob(t testing.TB, store sink.Store) *Job {
	t.Helper()
	return begin(t, store, true)
}

func begin(t testing.TB, store sink.Store, merge bool) *Job {
	t.Helper()
	if store == nil {
		store = &sinktest.Memory{Clock: func() time.Time { return Noon.Add(1000 * time.Hour) }}
	}
	j := &Job{Store: store, t: t, ctx: Context(t.Context())}
	var err error
	flow := sink.Flow[Row]{Name: Flow, Format: format.JSONLines[Row](), Codec: codec.Gzip, Merge: merge}
	if merge {
		flow.Keys = []sink.Key[Row]{{Name: "third", Value: func(r *Row) string { return strconv.FormatInt(r.ID%3, 10) }}}
	}
	if j.out, err = sink.Open(j.ctx, store, Name, []sink.Flow[Row]{flow}, nil); err != nil {
		t.Fatal(err)
	}
	j.out.Seal(&sink.SealOptions{Lateness: -1})
	if err := j.out.Attach(j.ctx, driver.Job{Source: driver.SourceInfo{ID: "deliverytest", Topics: []string{"deliverytest"}}, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	got, err := j.out.Acquire(j.ctx, []driver.Assignment{{Lane: lane, Partitions: []record.Partition{partition}}})
	if err != nil {
		t.Fatal(err)
	}
	j.at = got[partition]
	j.txn = j.out.Begin(nil)
	return j
}

// Context is ctx for programs under test: what waits before it tries again does not wait long.
func Context(ctx context.Context) context.Context {
	e := env.Default()
	sleep := e.Sleep
	e.Sleep = func(ctx context.Context, d time.Duration) error { return sleep(ctx, min(d, time.Millisecond)) }
	return env.With(ctx, e)
}

// Commit commits rows as one transaction. A row without a time gets Noon.
func (j *Job) Commit(rows ...Row) {
	j.t.Helper()
	events := make([]record.Event[Row], len(rows))
	for i, r := range rows {
		if r.At.IsZero() {
			r.At = Noon
		}
		events[i] = record.Event[Row]{Value: r, Time: r.At}
		if r.At.After(j.at.MaxEventTime) {
			j.at.MaxEventTime = r.At
		}
	}
	fates := make([]record.Fate, len(rows))
	if _, err := j.txn.Write(j.ctx, driver.Writer{Lane: lane}, events, fates); err != nil {
		j.t.Fatal(err)
	}
	for _, f := range fates {
		j.at.UpTo.Sub++
		j.read++
		j.sums[f]++
	}
	j.cut()
}

func (j *Job) cut() {
	j.t.Helper()
	cut := driver.Cut{Lanes: []driver.LaneCut{{
		Lane: lane, Partitions: map[record.Partition]driver.Progress{partition: j.at},
		Read: map[record.Partition]int64{partition: j.read}, Counts: map[record.Partition]record.Counts{partition: j.sums},
	}}}
	j.read, j.sums = 0, record.Counts{}
	txn := j.txn
	if _, err := txn.Commit(j.ctx, cut); err != nil {
		j.t.Fatal(err)
	}
	j.txn = j.out.Begin(txn)
	j.maintain()
}

// Seal moves event time to at, and so seals all hours that end before.
func (j *Job) Seal(at time.Time) {
	j.t.Helper()
	j.at.MaxEventTime = at
	j.cut()
}

func (j *Job) maintain() {
	j.t.Helper()
	for range 100 {
		up, err := j.out.Maintain(j.ctx, func(context.Context) ([]record.Partition, error) { return []record.Partition{partition}, nil })
		if err != nil {
			j.t.Fatal(err)
		}
		if up.Settled {
			return
		}
	}
	j.t.Fatal("the job does not settle")
}

// Rows makes rows with the IDs from first to last.
func Rows(first, last int64) []Row {
	var rows []Row
	for id := first; id <= last; id++ {
		rows = append(rows, Row{ID: id, Note: "note", At: Noon})
	}
	return rows
}
