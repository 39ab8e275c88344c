package stream

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// One event of January 1970 (seconds read as milliseconds), or of 1601, 1753 or 1899 (null dates), among the first once made
// 488,000 to 17.7 million hours due before the first real one.
func TestEventTimesOfLongAgoAreRejectedAndMoveNoClock(t *testing.T) {
	var o *Options
	opts, err := o.filled()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	l := newTestLane(t, nil, &say{})
	l.core.limit, l.core.oldest = now.Add(opts.Future), now.Add(-opts.Past)
	l.core.parts[0].clock = eventclock.Clock{} // as at the beginning of a job
	feed := func(from int, at ...time.Time) {
		t.Helper()
		b := &driver.Batch{Lane: "p/0"}
		for i, at := range at {
			b.Records = append(b.Records, record.Record{Partition: &testParts[0], Position: record.Position{Sub: int64(from + i)}, Value: []byte("a"), Time: at})
		}
		if err := l.try(b); err != nil {
			t.Fatal(err)
		}
	}
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	feed(1, time.UnixMilli(1_764_374_400), year(1), year(1).Add(30*time.Minute), year(1601), year(1753), year(1899), year(1900), year(1995), year(10000))
	if c := l.core.parts[0].clock; c != (eventclock.Clock{}) {
		t.Errorf("the clock is %+v, want none", c)
	}
	feed(100, year(2003))
	if got, want := l.counts(), (record.Counts{record.Filtered: 1, record.Dead: 9}); got != want || l.core.parts[0].clock == (eventclock.Clock{}) {
		t.Errorf("got fates %v and the clock %+v, want %v and that 2003 counts", got, l.core.parts[0].clock, want)
	}
	for _, d := range l.txn.dead {
		if !errors.Is(d.Err, stage.ErrEventTime) {
			t.Errorf("dead because of %v, want %v", d.Err, stage.ErrEventTime)
		}
	}
}

func TestPastCanBeSwitchedOff(t *testing.T) {
	l := newTestLane(t, nil, &say{}) // as with -1: no oldest time
	at := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{{Partition: &testParts[0], Position: record.Position{Sub: 1}, Value: []byte("a"), Time: at}}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	if got, want := l.counts(), (record.Counts{record.Filtered: 1}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
}

// The time of a broker in microseconds, year 57301, and of a file beyond the year 9999 once stopped a job for ever: no entry
// could hold it.
func TestARecordsOwnTimeThatNoLedgerHoldsIsTakenForNone(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.core.decodes = true // event times come from elsewhere
	good := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	for i, at := range []time.Time{good, time.UnixMilli(good.UnixMicro()), time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), {}} {
		b := &driver.Batch{Lane: "p/0", Records: []record.Record{{Partition: &testParts[0], Position: record.Position{Sub: int64(i + 1)}, Value: []byte("a"), Time: at}}}
		if err := l.try(b); err != nil {
			t.Fatal(err)
		}
		if got := l.core.parts[0].arrived; !got.Equal(good) {
			t.Errorf("after a record of %v the last one arrived at %v, want %v", at, got, good)
		}
	}
	if l.core.oddTimes != 3 {
		t.Errorf("%d odd times are counted, want 3: none is not odd", l.core.oddTimes)
	}
}
