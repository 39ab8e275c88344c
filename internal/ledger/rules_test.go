package ledger

import (
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// T01: an append is validated against the folded state, not against the entries that came since it was last looked at.
func TestCommitOnAnOldVersionIsVoid(t *testing.T) {
	s := newState(t)
	slow := commit(lane(s, "a", 5, clock("10:00"), time.Time{}))
	must(t, s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})), commit(lane(s, "b", 3, clock("10:00"), time.Time{})))
	wantVoid(t, "another commit of the lane came first", s, slow)
	must(t, s, commit(lane(s, "a", 5, clock("10:00"), time.Time{})))
	if got := s.Lanes.Partitions[part("a")].Progress.UpTo; got != pos(5) {
		t.Errorf("up to %s, want 5", got)
	}
}

// T20, T26: the base names the lane, and an entry that changes no progress is a new version nevertheless.
func TestAnEntryThatTouchesALaneIsItsNewVersion(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})))
	other := commit(lane(s, "a", 5, clock("10:00"), time.Time{}))
	must(t, s, commit(LaneCommit{Lane: "a", Base: s.Base("a"), Token: token(3)}))
	if l := s.Lanes.ByName["a"]; l.Version != 2 || l.Token != token(3) {
		t.Errorf("lane is %+v, want version 2 and the token of entry 2", *l)
	}
	wantVoid(t, "the lane was touched without progress", s, other)
}

// T20: the base is that of the lane, also for a partition of it that nobody has read before. Two instances that each took
// the lane for theirs would else both commit halves of a join.
func TestABaseCountsForPartitionsThatAreNew(t *testing.T) {
	s := newState(t)
	zombie := lane(s, "a", 1, clock("10:00"), time.Time{})
	zombie.Partitions[0].Partition = part("second")
	must(t, s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})))
	wantVoid(t, "the lane was touched, though not this partition", s, commit(zombie))
}

// T15: a lane that was never touched has the last Close as its base.
func TestFirstTouchBeforeACloseIsVoid(t *testing.T) {
	s := newState(t)
	first := commit(lane(s, "b", 5, clock("10:10"), time.Time{})).files(clock("09:00"))
	must(t, s, commit(lane(s, "a", 3, clock("11:00"), clock("10:45"))).files(clock("09:00")), mark(1),
		closing(clock("09:00"), clock("10:00"), clock("10:20"), part("a")))
	wantVoid(t, "an hour closed between preparation and append", s, first)
}

// T15, for a new partition of a lane that was touched before.
func TestFilesOfAClosedHourAreVoid(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("11:00"), clock("10:45"))).files(clock("09:00")), mark(1))
	l := lane(s, "a", 3, clock("11:00"), clock("10:45"))
	l.Partitions = append(l.Partitions, PartitionCommit{Partition: part("b"), Progress: driver.Progress{UpTo: pos(1)}, Read: 1,
		Counts: record.Counts{record.Written: 1}})
	late := commit(l).files(clock("09:00"))
	must(t, s, closing(clock("09:00"), clock("10:00"), clock("10:20"), part("a")))
	wantVoid(t, "the hour is closed", s, late)
}

// T28: Retire touches the lane.
func TestRetireTouchesTheLane(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})))
	under := commit(lane(s, "a", 5, clock("10:00"), time.Time{}))
	must(t, s, retire(s, "a", "a"))
	wantVoid(t, "the partition was retired meanwhile", s, under)
	wantVoid(t, "the partition is retired", s, commit(lane(s, "a", 5, clock("10:00"), time.Time{})))
	wantVoid(t, "it is retired twice", s, retire(s, "a", "a"))
	must(t, s, commit(LaneCommit{Lane: "a", Base: s.Base("a"), Token: token(3)}))
}

func TestARetiredPartitionHoldsNoHourOpen(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("11:00"), clock("10:45")), lane(s, "b", 3, clock("08:00"), clock("07:45"))).files(clock("09:00")), mark(1))
	wantVoid(t, "partition b is at 07:45", s, closing(clock("07:00"), clock("10:00"), clock("10:20")))
	must(t, s, retire(s, "b", "b"), closing(clock("09:00"), clock("10:00"), clock("10:20")))
}

// T02, T04, T05, T06, T25.
func TestAdvance(t *testing.T) {
	const lateness = 15 * time.Minute
	at := func(maxTime, pending, watermark string) driver.Progress {
		p := driver.Progress{UpTo: pos(9)}
		for _, f := range []struct {
			s  string
			to *time.Time
		}{{maxTime, &p.MaxEventTime}, {pending, &p.PendingTime}, {watermark, &p.Watermark}} {
			if f.s != "" {
				*f.to = clock(f.s)
			}
		}
		return p
	}
	for name, c := range map[string]struct {
		prev, cut driver.Progress
		lateness  time.Duration
		replaying bool
		want      driver.Progress
	}{
		"watermark follows max event time":      {at("", "", ""), at("10:00", "", ""), lateness, false, at("10:00", "", "09:45")},
		"watermark is capped by pending events": {at("", "", ""), at("10:00", "09:30", ""), lateness, false, at("10:00", "09:30", "09:30")},
		"a pending event ahead is no cap":       {at("", "", ""), at("10:00", "09:50", ""), lateness, false, at("10:00", "09:50", "09:45")},
		"watermark never goes back":             {at("10:00", "", "09:45"), at("10:05", "09:00", ""), lateness, false, at("10:05", "09:00", "09:45")},
		"a cut's watermark counts for nothing":  {at("10:00", "", "09:45"), at("10:00", "", "10:00"), lateness, false, at("10:00", "", "09:45")},
		"seen never goes back":                  {at("10:00", "", "09:45"), at("09:00", "", ""), lateness, false, at("10:00", "", "09:45")},
		"no clock moves in a replay":            {at("10:00", "09:30", "09:30"), at("11:00", "09:40", ""), lateness, true, at("10:00", "09:30", "09:30")},
		"nothing is pending after replay":       {at("10:00", "09:30", "09:30"), at("11:00", "", ""), lateness, true, at("10:00", "", "09:30")},
		"without seals no watermark moves":      {at("10:00", "", ""), at("11:00", "", ""), -1, false, at("11:00", "", "")},
		"nothing read, no watermark":            {at("", "", ""), at("", "", ""), lateness, false, at("", "", "")},
		"zero lateness":                         {at("", "", ""), at("10:00", "", ""), 0, false, at("10:00", "", "10:00")},
	} {
		got := Advance(c.prev, c.cut, c.lateness, c.replaying)
		if !got.MaxEventTime.Equal(c.want.MaxEventTime) || !got.Watermark.Equal(c.want.Watermark) || !got.PendingTime.Equal(c.want.PendingTime) || got.UpTo != pos(9) {
			t.Errorf("%s: got max event time %s watermark %s pending %s, want %s, %s, %s", name, got.MaxEventTime, got.Watermark, got.PendingTime,
				c.want.MaxEventTime, c.want.Watermark, c.want.PendingTime)
		}
	}
}
