package lane

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// memTxn keeps what it is given. Words decide the fate of a row: "late…", "bad…" and "none…".
type memTxn struct {
	nullTxn[string]
	rows []string
	dead []driver.DeadLetter
}

func (t *memTxn) Write(_ context.Context, _ driver.Writer, rows []record.Event[string], fates []record.Fate) (bad []driver.BadRow, err error) {
	for i := range rows {
		switch v := rows[i].Value; {
		case strings.HasPrefix(v, "late"):
			fates[i] = record.Late
		case strings.HasPrefix(v, "none"):
			fates[i] = record.Filtered
		case strings.HasPrefix(v, "bad"):
			fates[i] = record.Dead
			bad = append(bad, driver.BadRow{Index: i, Err: errors.New("cannot be written")})
		default:
			fates[i] = record.Written
			t.rows = append(t.rows, v)
		}
	}
	return bad, nil
}

func (t *memTxn) Reject(_ context.Context, _ driver.Writer, dead []driver.DeadLetter) error {
	t.dead = append(t.dead, dead...)
	return nil
}

// nullTxn writes nothing.
type nullTxn[T any] struct{}

func (nullTxn[T]) Write(_ context.Context, _ driver.Writer, _ []record.Event[T], fates []record.Fate) ([]driver.BadRow, error) {
	for i := range fates {
		fates[i] = record.Written
	}
	return nil, nil
}
func (nullTxn[T]) Reject(context.Context, driver.Writer, []driver.DeadLetter) error { return nil }
func (nullTxn[T]) Bytes() int64                                                     { return 0 }
func (nullTxn[T]) Commit(context.Context, driver.Cut) (driver.Committed, error) {
	return driver.Committed{}, nil
}
func (nullTxn[T]) Drop(context.Context) error { return nil }

// say is a stage that does what the words of a record tell it: "a:hold b:emit", as "name:verb[=argument]" with the name
// of any live record, each of which is named after its value's first letter.
type say struct {
	origins map[string]record.Event[string]
}

func (s *say) Open(*stage.Lane) (stage.Processor[string, string], error) {
	s.origins = map[string]record.Event[string]{}
	return s, nil
}

func (s *say) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		name, orders, _ := strings.Cut(e.Value, " ")
		s.origins[name] = e
		for _, order := range strings.Fields(orders) {
			who, verb, _ := strings.Cut(order, ":")
			verb, arg, _ := strings.Cut(verb, "=")
			o := s.origins[who]
			switch verb {
			case "hold":
				out.Hold(o.Origin)
			case "release":
				out.Release(o.Origin)
			case "emit":
				out.Emit(record.Derive(&o, arg))
			case "merge":
				out.Merge(s.origins[arg].Origin, o.Origin)
			case "drop":
				out.Drop(o.Origin, record.Duplicate, arg)
			case "reject":
				out.Reject(o.Origin, errors.New(arg))
			case "fail":
				return errors.New(arg)
			}
		}
	}
	return nil
}

// testLane is a lane of "p/0" and "p/1" whose pipe is decode and the given stages.
type testLane struct {
	t    *testing.T
	core *Lane
	txn  *memTxn
	at   [2]int64
}

// decode is a stage that makes strings of records; an empty one is refused.
type decode struct{}

func (decode) Traits() stage.Traits { return stage.Traits{Name: "decode"} }

func (d decode) Open(lane *stage.Lane) (stage.Processor[record.Record, string], error) {
	lane.Host.SetsTimes()
	return d, nil
}

func (decode) Process(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[string]) error {
	for i := range in {
		r := &in[i]
		at := r.Value.Time.Round(0).UTC()
		switch host := out.Host(); {
		case len(r.Value.Value) == 0:
			out.Reject(r.Origin, errors.New("empty"))
		case !host.Usable(at):
			out.Reject(r.Origin, stage.ErrEventTime)
		default:
			host.SetTime(r.Origin, at, at)
			out.Emit(record.Event[string]{Value: string(r.Value.Value), Time: at, Origin: r.Origin})
		}
	}
	return nil
}

// does is a stage that is called for each event.
type does func(e record.Event[string], out *stage.Emitter[string])

func (f does) Open(*stage.Lane) (stage.Processor[string, string], error) { return f, nil }

func (f does) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		f(e, out)
	}
	return nil
}

// open opens a lane of testParts.
func open[T any](t *testing.T, c Chain[T], from map[record.Partition]driver.Progress, txn driver.Txn[T]) *Lane {
	t.Helper()
	l, err := tryOpen(c, from, txn)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tryOpen[T any](c Chain[T], from map[record.Partition]driver.Progress, txn driver.Txn[T]) (*Lane, error) {
	return Open(c, Spec[T]{
		Assignment: driver.Assignment{Lane: "p/0", Partitions: testParts}, From: from,
		Now: func() time.Time { return start }, Wake: func() {}, Scratch: NewScratch(len(c.Stages)), Txn: &txn,
	})
}

// process handles a batch from its beginning to its end.
func process(ctx context.Context, l *Lane, b *driver.Batch) error {
	for {
		if done, err := l.Slice(ctx, b); done || err != nil {
			return err
		}
	}
}

var start = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

var testParts = []record.Partition{{Source: "p", ID: "0"}, {Source: "p", ID: "1"}}

// newTestLane opens a lane. If it begins at nothing its clocks are at minute 0, which a job would have confirmed.
func newTestLane(t *testing.T, from map[record.Partition]driver.Progress, stages ...stage.Stage[string, string]) *testLane {
	t.Helper()
	chain := Then(NoStages(), stage.Stage[record.Record, string](decode{}))
	for _, s := range stages {
		chain = Then(chain, s)
	}
	if from == nil {
		from = begunParts()
	}
	l := &testLane{t: t, txn: &memTxn{}}
	l.core = open(t, chain, from, l.txn)
	for i, id := range testParts {
		l.at[i] = from[id].UpTo.Sub
	}
	return l
}

func begunParts() map[record.Partition]driver.Progress {
	return map[record.Partition]driver.Progress{testParts[0]: {MaxEventTime: minute(0)}, testParts[1]: {MaxEventTime: minute(0)}}
}

// minute is an event time.
func minute(m int64) time.Time { return start.Add(time.Duration(m) * time.Minute) }

// batch makes new records of partition i, each a minute after the one before.
func (l *testLane) batch(i int, values ...string) *driver.Batch {
	b := &driver.Batch{Lane: "p/0"}
	for _, v := range values {
		l.at[i]++
		b.Records = append(b.Records, rec(i, l.at[i], v))
	}
	return b
}

func rec(part int, at int64, value string) record.Record {
	return record.Record{Partition: &testParts[part], Position: record.Position{Sub: at}, Value: []byte(value), Time: minute(at)}
}

func (l *testLane) try(b *driver.Batch) error { return process(l.t.Context(), l.core, b) }

func (l *testLane) feed(i int, values ...string) {
	l.t.Helper()
	if err := l.try(l.batch(i, values...)); err != nil {
		l.t.Fatal(err)
	}
}

// cut returns the lane's progress; a lane without any fails the test.
func (l *testLane) cut() Cut {
	l.t.Helper()
	c, ok, err := l.core.Cut()
	if err != nil || !ok {
		l.t.Fatalf("cut: %v, %v", ok, err)
	}
	return c
}

func (l *testLane) counts() (c record.Counts) {
	for i := range l.core.parts.list {
		c.Add(l.core.parts.list[i].counts)
	}
	return c
}
