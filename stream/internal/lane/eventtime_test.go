package lane

import (
	"math"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

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
