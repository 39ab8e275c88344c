package lane

import (
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// The warm-up of a partition that was two hours ahead reached back from its own clock. What came in the other one, to be
// joined with its records or compared with them, did not find them.
func TestAWarmUpReachesBackFromTheSlowestPartition(t *testing.T) {
	var words []string
	l := newTestLane(t, map[record.Partition]driver.Progress{
		testParts[0]: {UpTo: record.Position{Sub: 3}, MaxEventTime: minute(150)},
		testParts[1]: {UpTo: record.Position{Sub: 3}, MaxEventTime: minute(30)},
	}, table{time.Hour, &words})
	if got, want := l.core.WarmFrom(), minute(-30); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAWarmUpReachesBackFromTheOldestPendingRecord(t *testing.T) {
	var words []string
	l := newTestLane(t, map[record.Partition]driver.Progress{
		testParts[0]: {
			UpTo: record.Position{Sub: 3}, MaxEventTime: minute(150), PendingTime: minute(20),
			Pending: driver.PendingSet{First: record.Position{Sub: 3}, Ordinals: []uint32{0}, Through: 1},
		},
		testParts[1]: {UpTo: record.Position{Sub: 3}, MaxEventTime: minute(30)},
	}, table{time.Hour, &words})
	if got, want := l.core.WarmFrom(), minute(-40); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestALaneWithoutEventTimeIsWarmedUpWithAllThereIs(t *testing.T) {
	var words []string
	l := newTestLane(t, map[record.Partition]driver.Progress{
		testParts[0]: {UpTo: record.Position{Sub: 3}, MaxEventTime: minute(150)},
		testParts[1]: {UpTo: record.Position{Sub: 3}, Jump: driver.Jump{To: minute(5), Newest: minute(5), Records: 3}},
	}, table{time.Hour, &words})
	if got := l.core.WarmFrom(); !got.IsZero() {
		t.Errorf("got %v, want the zero time", got)
	}
}

// keeper keeps the size of all that it gets.
type keeper struct{ bytes *int64 }

func (k keeper) Open(*stage.Lane) (stage.Processor[string, string], error) {
	return &keeping{does(func(e record.Event[string], out *stage.Emitter[string]) {
		*k.bytes += out.Host().Size(e.Origin)
	}), k.bytes}, nil
}

type keeping struct {
	does
	bytes *int64
}

func (k *keeping) Kept() int64 { return *k.bytes }

func TestWhatStagesKeepCountsAsMemory(t *testing.T) {
	var bytes int64
	l := newTestLane(t, nil, keeper{&bytes})
	l.feed(0, "abc", "defgh")
	if want := int64(2*RecordOverhead + 8); bytes != want || l.core.PendingBytes() != want {
		t.Errorf("the stage says %d, the lane %d, want %d", bytes, l.core.PendingBytes(), want)
	}
	bytes = 0
	if got := l.core.PendingBytes(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}
