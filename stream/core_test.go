package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// What the stages of this package make of a lane's clocks and records, without an engine.

var onePart = record.Partition{Source: "p", ID: "0"}

// openCore opens a lane of onePart.
func openCore[T any](tb testing.TB, p Pipe[T], from map[record.Partition]driver.Progress, txn driver.Txn[T]) *core.Lane {
	tb.Helper()
	c, err := core.Open(p.chain, core.Spec[T]{
		Assignment: driver.Assignment{Lane: "p/0", Partitions: []record.Partition{onePart}}, From: from,
		Now: time.Now, Scratch: core.NewScratch(len(p.chain.Stages)), Txn: &txn,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// process passes a batch through a lane.
func process(tb testing.TB, c *core.Lane, b *driver.Batch) {
	for done := false; !done; {
		var err error
		if done, err = c.Slice(tb.Context(), b); err != nil {
			tb.Fatal(err)
		}
	}
}

// cutOfCore is the lane's progress; a lane without any fails the test.
func cutOfCore(tb testing.TB, c *core.Lane) core.Cut {
	tb.Helper()
	cut, ok, err := c.Cut()
	if err != nil || !ok {
		tb.Fatalf("cut: %v, %v", ok, err)
	}
	return cut
}

// minute is an event time.
func minute(m int64) time.Time { return benchStart.Add(time.Duration(m) * time.Minute) }

func recordAt(pos int64, value string, at time.Time) record.Record {
	return record.Record{Partition: &onePart, Position: record.Position{Sub: pos}, Value: []byte(value), Time: at}
}

func oneRecord(pos int64, value string) *driver.Batch {
	return &driver.Batch{Lane: "p/0", Records: []record.Record{recordAt(pos, value, minute(pos))}}
}

// deadTxn keeps dead letters.
type deadTxn struct {
	nullTxn[record.Record]
	dead []driver.DeadLetter
}

func (t *deadTxn) Reject(_ context.Context, _ driver.Writer, dead []driver.DeadLetter) error {
	t.dead = append(t.dead, dead...)
	return nil
}

// One event of January 1970 (seconds read as milliseconds), or of 1601, 1753 or 1899 (null dates), among the first once made
// 488,000 to 17.7 million hours due before the first real one.
func TestEventTimesOfLongAgoAreRejectedAndMoveNoClock(t *testing.T) {
	var o *Options
	opts, err := o.filled()
	if err != nil {
		t.Fatal(err)
	}
	var counts record.Counts
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	txn := &deadTxn{}
	c := openCore(t, From(nil), nil, driver.Txn[record.Record](txn))
	c.At(time.Time{}, now.Add(-opts.Past), now.Add(opts.Future))
	feed := func(from int64, at ...time.Time) driver.Progress {
		t.Helper()
		b := &driver.Batch{Lane: "p/0"}
		for i, at := range at {
			b.Records = append(b.Records, recordAt(from+int64(i), "a", at))
		}
		process(t, c, b)
		cut := cutOfCore(t, c)
		counts.Add(cut.Counts[onePart])
		return cut.Partitions[onePart]
	}
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	if g := feed(1, time.UnixMilli(1_764_374_400), year(1), year(1).Add(30*time.Minute), year(1601), year(1753), year(1899), year(1900), year(1995), year(10000)); !g.MaxEventTime.IsZero() || g.Jump != (driver.Jump{}) {
		t.Errorf("the clock is at %v with %+v, want none", g.MaxEventTime, g.Jump)
	}
	g := feed(100, year(2003))
	if want := (record.Counts{record.Written: 1, record.Dead: 9}); counts != want || g.Jump == (driver.Jump{}) {
		t.Errorf("got fates %v and the jump %+v, want %v and that 2003 counts", counts, g.Jump, want)
	}
	for _, d := range txn.dead {
		if !errors.Is(d.Err, stage.ErrEventTime) {
			t.Errorf("dead because of %v, want %v", d.Err, stage.ErrEventTime)
		}
	}
}

func TestTheTimeOfARecordOfManyEventsIsTheOldest(t *testing.T) {
	p := Via(From(nil), DecodeMany(func(r *record.Record, yield func(time.Time)) error {
		for _, b := range r.Value {
			yield(minute(int64(b)))
		}
		return nil
	}, func(at *time.Time) time.Time { return *at }))
	p = Via(p, Func[time.Time, time.Time](func(_ context.Context, in []record.Event[time.Time], out *stage.Emitter[time.Time]) error {
		out.Hold(in[0].Origin)
		return nil
	}))
	c := openCore(t, p, map[record.Partition]driver.Progress{onePart: {MaxEventTime: minute(0)}}, driver.Txn[time.Time](&nullTxn[time.Time]{}))
	process(t, c, oneRecord(1, "\x04\x03\x05"))
	if g := cutOfCore(t, c).Partitions[onePart]; !g.PendingTime.Equal(minute(3)) || !g.MaxEventTime.Equal(minute(5)) {
		t.Errorf("PendingTime %v and MaxEventTime %v, want %v and %v", g.PendingTime, g.MaxEventTime, minute(3), minute(5))
	}
}

// A record of many events that is refused had moved the clock by those of its events that were good, and everything that
// came after it was late.
func TestARecordOfManyEventsThatIsRefusedMovesNoClock(t *testing.T) {
	p := Via(From(nil), DecodeMany(func(r *record.Record, yield func(time.Time)) error {
		for _, b := range r.Value {
			if b == 0xFF {
				return errors.New("cut off")
			}
			yield(minute(int64(b)))
		}
		return nil
	}, func(at *time.Time) time.Time {
		if at.Equal(minute(99)) {
			return time.Time{}
		}
		return *at
	}))
	c := openCore(t, p, map[record.Partition]driver.Progress{onePart: {MaxEventTime: minute(0)}}, driver.Txn[time.Time](&nullTxn[time.Time]{}))
	c.At(time.Time{}, time.Time{}, minute(100))
	for i, v := range []string{"\x03\xFF", "\x03\x63\x04", "\x03\x65", "\x32\xFF", "\x03\x01\x65\x02"} {
		process(t, c, oneRecord(int64(i)+1, v))
	}
	cut := cutOfCore(t, c)
	g := cut.Partitions[onePart]
	if got, want := cut.Counts[onePart], (record.Counts{record.Dead: 5}); got != want || !g.MaxEventTime.Equal(minute(0)) || g.Jump.Records > 0 {
		t.Errorf("got fates %v and clock %v with %+v, want %v and %v", got, g.MaxEventTime, g.Jump, want, minute(0))
	}
	process(t, c, oneRecord(6, "\x03\x02"))
	if got := cutOfCore(t, c).Partitions[onePart].MaxEventTime; !got.Equal(minute(3)) {
		t.Errorf("after a good record the clock is at %v, want %v", got, minute(3))
	}
}
