package streamtest

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Lane drives a stage in a lane of its own and checks the rules of stage.Processor: each Hold has its Release, nothing
// is said of an origin that is unknown or finished, event times stay as they are, and neither the slices of a call nor
// the bytes of a record are used after it. It is not safe for concurrent use.
//
// Methods that run the stage return the rows of the records that finished by it: a record that is pending, or merged into
// one that is pending, has no row yet, since the engine would not write it either.
type Lane[In, Out any] struct {
	// Out are all rows so far.
	Out []Out

	t         testing.TB
	stage     stage.Stage[In, Out]
	proc      stage.Processor[In, Out]
	em        *stage.Emitter[Out]
	lane      stage.Lane
	wake      chan struct{}
	partition int
	eventTime time.Time
	advanced  bool // the processor knows seen
	closed    bool

	log    []*fed[In] // all that was fed
	flight *flight[In, Out]
	saved  saved
}

// fed is one fed event with its place.
type fed[In any] struct {
	event   record.Event[In]
	ref     record.Ref
	batch   int
	pending bool
}

// Partitions is the number of partitions of a Lane.
const Partitions = 4

// Open opens stage. The Lane is closed with the test.
func Open[In, Out any](t testing.TB, st stage.Stage[In, Out]) *Lane[In, Out] {
	t.Helper()
	if err := stage.TraitsOf(st).Err; err != nil {
		t.Fatalf("stage: %v", err)
	}
	l := &Lane[In, Out]{t: t, stage: st, wake: make(chan struct{}, 1)}
	l.lane = stage.Lane{Name: "test/0", Now: time.Now, Wake: func() {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}}
	for i := range Partitions {
		l.lane.Partitions = append(l.lane.Partitions, record.Partition{Source: "test", ID: string(rune('0' + i))})
	}
	l.flight = newFlight[In, Out](t, &l.lane.Partitions[0])
	l.em = stage.NewEmitter[Out](stage.LookupFunc(l.flight.lookup))
	l.open()
	l.saved = l.snapshot()
	t.Cleanup(l.Close)
	return l
}

func (l *Lane[In, Out]) open() {
	l.t.Helper()
	lane := l.lane
	lane.Reached = l.reached()
	p, err := l.stage.Open(&lane)
	if err != nil {
		l.t.Fatalf("Open: %v", err)
	}
	l.proc, l.closed, l.advanced = p, false, false
	clear(l.flight.live)
}

// Close closes the processor. What it holds is given up.
func (l *Lane[In, Out]) Close() {
	l.t.Helper()
	if l.closed {
		return
	}
	l.closed = true
	if c, ok := l.proc.(io.Closer); ok {
		if err := c.Close(); err != nil {
			l.t.Errorf("Close: %v", err)
		}
	}
}

// Partition makes the records fed from now on records of the lane's partition i, below Partitions. The first is 0.
func (l *Lane[In, Out]) Partition(i int) *Lane[In, Out] {
	l.partition = i % Partitions
	return l
}

// Feed gives the stage one event, as a batch of its own. Like each method that gives it events it ends with Advance at the
// time that was reached, once there is one, as a batch does in a running job.
func (l *Lane[In, Out]) Feed(at time.Time, v In) []Out {
	l.t.Helper()
	return l.FeedAll([]record.Event[In]{{Value: v, Time: at}})
}

// FeedAll gives the stage a batch. Origins are set by the Lane.
func (l *Lane[In, Out]) FeedAll(events []record.Event[In]) []Out {
	l.t.Helper()
	var batch []*fed[In]
	n := 0
	if len(l.log) > 0 {
		n = l.log[len(l.log)-1].batch + 1
	}
	for _, e := range events {
		ref := record.Ref{
			Partition: &l.lane.Partitions[l.partition],
			Position:  record.Position{Sub: int64(len(l.log) + 1)},
		}
		batch = append(batch, &fed[In]{event: e, ref: ref, batch: n})
		l.log = append(l.log, batch[len(batch)-1])
	}
	return l.process(batch)
}

// Advance moves event time to seen, which must not go back.
func (l *Lane[In, Out]) Advance(eventTime time.Time) []Out {
	l.t.Helper()
	if eventTime.Before(l.eventTime) {
		l.t.Fatalf("Advance(%v) after Advance(%v): event time never goes back", eventTime, l.eventTime)
	}
	l.eventTime, l.advanced = eventTime, true
	return l.tell()
}

// tell says l.seen, where the engine does: when it has moved, and behind a call by which the stage may have got events.
func (l *Lane[In, Out]) tell() []Out {
	l.t.Helper()
	a, ok := l.proc.(stage.Advancer[Out])
	if !ok || !l.advanced {
		return nil
	}
	if err := a.Advance(l.t.Context(), l.eventTime, l.em); err != nil {
		l.t.Fatalf("Advance: %v", err)
	}
	return l.settle("Advance")
}

// settle takes what the processor said in one call.
func (l *Lane[In, Out]) settle(call string) []Out {
	l.t.Helper()
	rows := l.flight.settle(call, l.em)
	l.Out = append(l.Out, rows...)
	return rows
}

// Pull calls the stage's Pull, as the engine does after Wake, before a commit and about once a second.
func (l *Lane[In, Out]) Pull() []Out {
	l.t.Helper()
	p, ok := l.proc.(stage.Puller[Out])
	if !ok {
		return nil
	}
	if err := p.Pull(l.t.Context(), l.em); err != nil {
		l.t.Fatalf("Pull: %v", err)
	}
	return append(l.settle("Pull"), l.tell()...)
}

// Woken gets a value after the stage has called Lane.Wake.
func (l *Lane[In, Out]) Woken() <-chan struct{} { return l.wake }

// Committed tells the stage the clocks of the ledger.
func (l *Lane[In, Out]) Committed(c record.Clocks) {
	l.t.Helper()
	if w, ok := l.proc.(stage.ClockWatcher); ok {
		if err := w.Committed(l.t.Context(), c); err != nil {
			l.t.Fatalf("Committed: %v", err)
		}
	}
}

// Crash is a crash right after a commit: the processor goes, another one is warmed up, gets back what was pending, in the
// order of positions, and then the event time.
func (l *Lane[In, Out]) Crash() []Out {
	l.t.Helper()
	return l.crash(nil)
}

// CrashShuffled is Crash with the pending records in an order drawn from seed. A source replays each partition in order,
// but the partitions of a lane in any; a stage that stands any order is right in all of them.
func (l *Lane[In, Out]) CrashShuffled(seed uint64) []Out {
	l.t.Helper()
	return l.crash(rand.New(rand.NewPCG(seed, 1)))
}

// Pending is the number of records that are not finished.
func (l *Lane[In, Out]) Pending() int { return len(l.flight.live) }

// Fates counts the finished records by fate.
func (l *Lane[In, Out]) Fates() record.Counts { return l.flight.book.fates }

// Reasons counts dropped records by the reason given to Drop.
func (l *Lane[In, Out]) Reasons() map[string]int { return l.flight.book.reasons }

// Rejected are the errors given to Reject, of finished records.
func (l *Lane[In, Out]) Rejected() []error { return l.flight.book.rejected }
