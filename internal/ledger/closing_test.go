package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// twoLanes is a state where lanes a and b have passed 10:00 and hour 09 has a published file.
func twoLanes(t *testing.T) *State {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("10:20"), clock("10:05")), lane(s, "b", 3, clock("10:15"), clock("10:00"))).files(clock("09:00")), mark(1))
	return s
}

func TestCloseNeedsAllPartitionsTheClockAndPublication(t *testing.T) {
	ok := func() *Entry { return closing(clock("09:00"), clock("10:00"), clock("10:15"), part("a"), part("b")) }
	s := twoLanes(t)
	must(t, s.Clone(), ok())

	// T30
	early := ok()
	early.Close.At = early.Close.At.Add(-1)
	wantVoid(t, "T - lateness is before the end", s, early)

	wantVoid(t, "hours close in order", s, closing(clock("08:00"), clock("09:00"), clock("10:20"), part("a"), part("b")))
	wantVoid(t, "b has not passed hour 10", s, closing(clock("09:00"), clock("11:00"), clock("12:00"), part("a"), part("b")))

	// T35
	behind := newState(t)
	must(t, behind, commit(lane(behind, "a", 3, clock("11:00"), clock("10:45"))).files(clock("09:00")))
	wantVoid(t, "files of entry 1 are not published", behind, ok())
	with := ok()
	with.Published = []uint64{1}
	must(t, behind, with)

	// T29
	old := twoLanes(t)
	must(t, old, &Entry{Kind: KindConfig, Token: token(1), Config: &Config{Generation: 1, Topics: []string{"topic", "two"}}})
	wantVoid(t, "the closer does not know the topics", old, ok())

	empty := newState(t)
	wantVoid(t, "nobody has read anything", empty, closing(clock("09:00"), clock("10:00"), clock("10:15")))
}

func TestCloseOfPacksNeedsPublicationAndAPlan(t *testing.T) {
	packs := func() *State {
		s := newState(t)
		e := commit(lane(s, "a", 3, clock("11:00"), clock("10:45"))).files(clock("09:00"))
		f := &e.Commit.Files[0]
		f.Kind, f.Length, f.Contents = PackFile, 20, &Contents{Offset: 10, Length: 10}
		e.Commit.Hours = SumHours(e.Commit.Files)
		must(t, s, e)
		return s
	}
	closes := func(published ...uint64) *Entry {
		e := closing(clock("09:00"), clock("10:00"), clock("10:15"), part("a"), part("b"))
		e.Published, e.Close.Merge = published, &Merge{FileBytes: 1, UnitBytes: 1}
		return e
	}
	wantVoid(t, "the pack is not published", packs(), closes())
	without := closes(1)
	without.Close.Merge = nil
	wantVoid(t, "it does not say how packs are merged", packs(), without)
	s := packs()
	must(t, s, closes(1))
	if !s.Hours.Closed.Equal(clock("10:00")) {
		t.Errorf("closed through %s", s.Hours.Closed)
	}
}

// T14, T30: a partition that the source lists and the ledger does not know keeps every hour open.
func TestCheckCloseWantsEveryListedPartitionKnown(t *testing.T) {
	s := twoLanes(t)
	listed := []record.Partition{part("b"), part("a")}
	e := closing(clock("09:00"), clock("10:00"), clock("10:15"), listed...)
	s.Prepare(e)
	if err := s.CheckClose(e, listed); err != nil {
		t.Errorf("all listed are known: %v", err)
	}
	wantCorrupt(t, "another list", s.CheckClose(e, listed[:1]))
	listed = append(listed, part("c"))
	e = closing(clock("09:00"), clock("10:00"), clock("10:15"), listed...)
	s.Prepare(e)
	if err := s.CheckClose(e, listed); err == nil {
		t.Error("closed without the listed partition c")
	}
	b := s.Blockers(clock("10:00"), clock("10:15"), 15*time.Minute, 4000, listed)
	if len(b) != 1 || b[0].Kind != BlockedByUnknown || b[0].Partition != part("c") {
		t.Errorf("blockers are %+v, want the unknown partition c", b)
	}
}

func TestCloseDueIsWhatValidateTakes(t *testing.T) {
	s := twoLanes(t)
	const lateness = 15 * time.Minute
	for at := clock("09:00"); at.Before(clock("12:00")); at = at.Add(5 * time.Minute) {
		from, through, ok := s.CloseDue(at, lateness, s.Unpublished)
		if want := !at.Before(clock("10:15")); ok != want {
			t.Errorf("at %s due is %v, want %v", at, ok, want)
		}
		if ok {
			must(t, s.Clone(), closing(from, through, at))
		}
	}
	if _, _, ok := s.CloseDue(clock("23:00"), -1, s.Unpublished); ok {
		t.Error("hours are due though they are not to be closed")
	}
}

// T23: the start hour comes from files and watermarks of real records, not from the first timestamp.
func TestFirstHour(t *testing.T) {
	s := newState(t)
	if _, _, ok := s.CloseDue(clock("23:00"), 0, s.Unpublished); ok || !s.NextHour().IsZero() {
		t.Error("an empty ledger has an hour to close")
	}
	must(t, s, commit(lane(s, "a", 1, clock("06:30"), time.Time{})))
	if !s.NextHour().IsZero() {
		t.Errorf("next hour is %s before a watermark is known", s.NextHour())
	}
	must(t, s, commit(lane(s, "a", 2, clock("06:30"), clock("06:15"))))
	if got := s.NextHour(); !got.Equal(clock("06:00")) {
		t.Errorf("next hour is %s, want that of the watermark, 06:00", got)
	}
	must(t, s, commit(lane(s, "b", 1, clock("08:30"), clock("08:15"))).files(clock("05:00")), mark(3),
		commit(lane(s, "a", 3, clock("09:00"), clock("08:45"))))
	if got := s.NextHour(); !got.Equal(clock("05:00")) {
		t.Errorf("next hour is %s, want that of the first file, 05:00", got)
	}
	must(t, s, closing(clock("05:00"), clock("08:00"), clock("09:00")))
	if got := s.NextHour(); !got.Equal(clock("08:00")) || s.Hours.ClosedEntry != 6 || len(s.Hours.Open) != 0 {
		t.Errorf("after the close: next hour %s, entry %d, %d open hours", got, s.Hours.ClosedEntry, len(s.Hours.Open))
	}
}

func TestStartOfGenesisIsTheFirstHour(t *testing.T) {
	g := testGenesis()
	g.Start = clock("04:00")
	body, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := NewState(g, HashOf(body))
	must(t, s, commit(lane(s, "a", 1, clock("07:30"), clock("07:15"))))
	if from, through, ok := s.CloseDue(clock("23:00"), 0, s.Unpublished); !ok || !from.Equal(clock("04:00")) || !through.Equal(clock("07:00")) {
		t.Errorf("due is %s to %s, %v, want 04:00 to 07:00", from, through, ok)
	}
	wantVoid(t, "hours before the start are closed", s, commit(lane(s, "b", 1, clock("03:30"), time.Time{})).files(clock("03:00")))
}

// T16: the children of an ended partition bind from the entry on that frees their parent, with its clocks.
func TestChildrenInheritTheClocks(t *testing.T) {
	s := newState(t)
	l := lane(s, "p", 3, clock("09:30"), clock("09:15"))
	l.Partitions[0].Progress.Ended = true
	l.Partitions[0].Progress.Children = []record.Partition{part("c1"), part("c2")}
	must(t, s, commit(lane(s, "a", 3, clock("12:00"), clock("11:45"))).files(clock("09:00")), mark(1), commit(l))
	wantVoid(t, "the children are at 09:15", s, closing(clock("09:00"), clock("10:00"), clock("12:00")))
	if c := s.Lanes.Partitions[part("c1")]; c == nil || c.Lane != "p" || !c.Progress.Watermark.Equal(clock("09:15")) || !c.Progress.MaxEventTime.Equal(clock("09:30")) {
		t.Fatalf("child is %+v, want lane p and the parent's clocks", c)
	}
	next := lane(s, "p", 3, clock("09:30"), clock("09:15"))
	next.Partitions[0].Progress.Ended, next.Partitions[0].Progress.Children = true, []record.Partition{part("c1"), part("c2")}
	for _, id := range []string{"c1", "c2"} {
		next.Partitions = append(next.Partitions, lane(s, id, 5, clock("10:30"), clock("10:15")).Partitions...)
	}
	slices.SortFunc(next.Partitions, func(a, b PartitionCommit) int { return a.Partition.Compare(b.Partition) })
	must(t, s, commit(next), closing(clock("09:00"), clock("10:00"), clock("12:00")))
	if got := s.Lanes.Watermark("p", nil); !got.Equal(clock("10:15")) {
		t.Errorf("watermark of the lane is %s, want that of the children, 10:15", got)
	}
}

// A child in which nothing happens moves by proofs of its end while its parent still holds records. Once the parent's
// clocks were put on it again by each entry that had the parent, and the next one was refused as going back.
func TestAChildGoesOnWithClocksOfItsOwn(t *testing.T) {
	s := newState(t)
	end := lane(s, "p", 3, clock("09:30"), clock("09:15"))
	end.Partitions[0].Progress.Ended = true
	end.Partitions[0].Progress.Children = []record.Partition{part("q")}
	must(t, s, commit(end))
	next := lane(s, "p", 3, clock("09:30"), clock("09:15"))
	next.Partitions[0].Progress = end.Partitions[0].Progress
	next.Partitions[0].Read, next.Partitions[0].Counts = 0, record.Counts{}
	child := PartitionCommit{Partition: part("q"), Progress: driver.Progress{MaxEventTime: clock("10:30"), Watermark: clock("10:15")}}
	next.Partitions = append(next.Partitions, child)
	must(t, s, commit(next))
	if got := s.Lanes.Partitions[part("q")].Progress; !got.Watermark.Equal(clock("10:15")) || !got.MaxEventTime.Equal(clock("10:30")) {
		t.Errorf("the child is at %s, %s, want 10:30, 10:15", got.MaxEventTime, got.Watermark)
	}
}

func TestAChildOfTwoParentsHasTheEarlierClocks(t *testing.T) {
	s := newState(t)
	end := func(name, maxTime, watermark string) LaneCommit {
		l := lane(s, name, 3, clock(maxTime), clock(watermark))
		l.Partitions[0].Progress.Ended, l.Partitions[0].Progress.Children = true, []record.Partition{part("c")}
		return l
	}
	must(t, s, commit(end("p", "09:30", "09:15")), commit(end("q", "08:30", "08:15")))
	c := s.Lanes.Partitions[part("c")]
	if !c.Progress.Watermark.Equal(clock("08:15")) || !c.Progress.MaxEventTime.Equal(clock("08:30")) || c.Lane != "p" {
		t.Errorf("child is in lane %s with %s, %s, want p, 08:30, 08:15", c.Lane, c.Progress.MaxEventTime, c.Progress.Watermark)
	}

	// It moves to the lane of the other parent only in a commit that has both versions.
	moved := lane(s, "c", 1, clock("09:40"), clock("09:20"))
	to := LaneCommit{Lane: "q", Base: s.Base("q"), Token: token(4), Partitions: moved.Partitions}
	wantCorrupt(t, "lane p is not touched", try(s.Clone(), commit(to)))
	must(t, s, commit(LaneCommit{Lane: "p", Base: s.Base("p"), Token: token(4)}, to))
	if got := s.Lanes.Watermark("q", nil); !got.Equal(clock("09:20")) {
		t.Errorf("watermark of lane q is %s, want the child's, 09:20", got)
	}
	if got := s.Lanes.Watermark("p", nil); !got.Equal(clock("09:15")) {
		t.Errorf("watermark of lane p is %s, want the parent's, 09:15", got)
	}
}

func TestAnEndedPartitionBindsWhileItHolds(t *testing.T) {
	s := newState(t)
	l := lane(s, "p", 3, clock("09:30"), clock("09:15")).pending(clock("09:20"), 2)
	l.Partitions[0].Progress.Ended = true
	must(t, s, commit(lane(s, "a", 3, clock("12:00"), clock("11:45"))).files(clock("09:00")), mark(1), commit(l))
	wantVoid(t, "p holds a record", s, closing(clock("09:00"), clock("10:00"), clock("12:00")))
	next := lane(s, "p", 3, clock("09:30"), clock("09:15"))
	next.Partitions[0].Progress.Ended = true
	must(t, s, commit(next), closing(clock("09:00"), clock("11:00"), clock("12:00")))
}

func TestWhenAllHaveEndedHoursCloseUpToTheLastFile(t *testing.T) {
	s := newState(t)
	l := lane(s, "p", 3, clock("11:30"), clock("11:15"))
	l.Partitions[0].Progress.Ended = true
	must(t, s, commit(l).files(clock("05:00"), clock("11:00")), mark(1))
	from, through, ok := s.CloseDue(clock("23:00"), 15*time.Minute, s.Unpublished)
	if !ok || !from.Equal(clock("05:00")) || !through.Equal(clock("12:00")) {
		t.Errorf("due is %s to %s, %v, want 05:00 to 12:00", from, through, ok)
	}
	wantVoid(t, "no row is in hour 12", s, closing(clock("05:00"), clock("13:00"), clock("23:00")))
	must(t, s, closing(from, through, clock("23:00")))
	if _, _, ok := s.CloseDue(clock("23:59"), 0, s.Unpublished); ok {
		t.Error("another hour is due")
	}
}

// Only so seals come in order whoever writes them: nobody closes behind hours whose closer may have died.
func TestOneCloseAtATimeIsWithoutSeals(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("12:30"), clock("12:15"))).files(clock("09:00")), mark(1),
		closing(clock("09:00"), clock("10:00"), clock("12:30")))
	next := func() *Entry { return closing(clock("10:00"), clock("11:00"), clock("12:30")) }
	wantVoid(t, "hour 09 has no seal yet", s, next())
	sealed := next()
	sealed.Sealed = clock("10:00")
	must(t, s, sealed)
	must(t, s, &Entry{Kind: KindMark, Token: token(1), Sealed: clock("11:00")}, closing(clock("11:00"), clock("12:00"), clock("12:30")))
}

func TestBlockers(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("10:20"), clock("10:05")), lane(s, "b", 3, clock("10:15"), clock("09:50")).pending(clock("09:50"), 3)).files(clock("09:00")))
	got := s.Blockers(clock("10:00"), clock("10:10"), 15*time.Minute, 4000, nil)
	if len(got) != 3 || got[0].Kind != BlockedByClock || !got[0].Until.Equal(clock("10:15")) ||
		got[1].Kind != BlockedByEntry || got[1].Entry != 1 ||
		got[2].Kind != BlockedByPartition || got[2].Partition != part("b") || got[2].Pending != 1 || !got[2].Watermark.Equal(clock("09:50")) {
		t.Errorf("blockers are %+v", got)
	}
	if got := s.Blockers(clock("09:00"), clock("10:10"), 15*time.Minute, 4000, nil); len(got) != 0 {
		t.Errorf("hour 08 waits for %+v, want nothing", got)
	}
}

// T22: marks need no commit, so that the last hour of a quiet job closes.
func TestMarkTakesPendingEntriesOff(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 3, clock("10:20"), clock("10:05"))).files(clock("09:00")))
	must(t, s, commit(lane(s, "a", 4, clock("10:20"), clock("10:05"))))
	must(t, s, commit(lane(s, "a", 4, clock("10:21"), clock("10:06"))))
	if len(s.Unpublished) != 2 {
		t.Errorf("pending are %v, want entries 1 and 2: entry 2 has no file and counts, entry 3 clocks alone", s.Unpublished)
	}
	other := mark(1, 2, 3)
	must(t, s, other)
	if len(s.Unpublished) != 0 {
		t.Errorf("pending are %v after the mark", s.Unpublished)
	}
	again := mark(1)
	s.Prepare(again)
	if len(again.Published) != 0 {
		t.Errorf("Prepare leaves %v, which others have marked", again.Published)
	}
}

func TestSealedNeverGoesBackOrBeyondWhatIsClosed(t *testing.T) {
	s := twoLanes(t)
	sealed := func(at time.Time) *Entry { return &Entry{Kind: KindMark, Token: token(1), Sealed: at} }
	wantVoid(t, "hour 09 is not closed", s, sealed(clock("10:00")))
	must(t, s, closing(clock("09:00"), clock("10:00"), clock("10:15")), sealed(clock("10:00")))
	wantVoid(t, "nothing is left of the mark", s, sealed(clock("10:00")))
	if !s.Hours.Sealed.Equal(clock("10:00")) {
		t.Errorf("sealed through %s, want 10:00", s.Hours.Sealed)
	}
}
