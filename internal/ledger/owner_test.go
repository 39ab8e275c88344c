package ledger

import (
	"testing"
	"time"
)

// T27: a token per lane and acquisition, and each lane must have gone on under another one.
func TestSweepable(t *testing.T) {
	s := newState(t)
	as := func(name string, n int64, tok Token) *Entry {
		l := lane(s, name, n, clock("10:00"), time.Time{})
		l.Token = tok
		return commit(l)
	}
	must(t, s, as("a", 1, token(1)))
	must(t, s, as("b", 1, token(1)))
	acquired := s.Last + 1
	mine := &Owner{Lanes: []OwnerLane{{Lane: "a", Token: token(2), Index: acquired}, {Lane: "b", Token: token(3), Index: acquired}}}
	want := func(why string, want bool) {
		t.Helper()
		if got := s.Lanes.Sweepable(mine); got != want {
			t.Errorf("%s: sweepable is %v, want %v", why, got, want)
		}
	}
	want("the owner has not committed yet; older tokens do not count", false)
	must(t, s, as("a", 2, token(2)))
	want("it has committed lane a", false)
	must(t, s, as("a", 3, token(4)))
	want("lane a has moved on, lane b may still commit with it", false)
	must(t, s, as("b", 2, token(5)))
	want("both lanes have moved on", true)

	if s.Lanes.Sweepable(&Owner{Lanes: []OwnerLane{{Lane: "a", Token: token(2), Index: acquired}, {Lane: "never", Token: token(3), Index: acquired}}}) {
		t.Error("a lane that was never touched has not moved on")
	}
	if s.Lanes.Sweepable(&Owner{}) {
		t.Error("an owner without lanes is sweepable")
	}
}

// The acquirer of a lane that its own earlier acquisition committed last has an index above that entry, so that entry does
// not make its staging sweepable.
func TestSweepableLooksFromTheAcquisitionOn(t *testing.T) {
	s := newState(t)
	l := lane(s, "a", 1, clock("10:00"), time.Time{})
	l.Token = token(1)
	must(t, s, commit(l))
	again := &Owner{Lanes: []OwnerLane{{Lane: "a", Token: token(2), Index: s.Last + 1}}}
	if s.Lanes.Sweepable(again) {
		t.Error("staging is swept because of an entry that the acquisition had seen")
	}
	must(t, s, retire(s, "a", "a")) // with token 8
	if !s.Lanes.Sweepable(again) {
		t.Error("Retire has touched the lane, and staging is kept")
	}
}

// A lane whose partitions have all ended is never touched again. Without a rule for it what was staged beside it would stay
// for ever.
func TestALaneThatIsOverKeepsNothing(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 1, clock("10:00"), time.Time{})))
	own := func(name string, parts int) *Owner {
		return &Owner{Lanes: []OwnerLane{{Lane: name, Token: token(2), Index: s.Last + 1, Parts: parts}}}
	}
	before, more := own("a", 1), own("a", 2)
	l := lane(s, "a", 2, clock("10:00"), time.Time{})
	l.Token = token(2)
	if s.Lanes.Sweepable(before) {
		t.Error("the lane is not over, and its owner may commit")
	}
	l.Partitions[0].Progress.Ended = true
	must(t, s, commit(l)) // by the owner itself
	if !s.Lanes.Sweepable(before) {
		t.Error("nothing can come of the lane, and its staging is kept")
	}
	if s.Lanes.Sweepable(more) {
		t.Error("the lane had a partition more than the ledger knows, which may still come")
	}
}

// The first commit of a lane that takes a partition from another lane touches that one too. So an entry of others there
// makes it void, but not once the move is committed.
func TestWhatWasToComeFromAnotherLane(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "a", 1, clock("10:00"), time.Time{})))
	mine := &Owner{Lanes: []OwnerLane{{Lane: "b", Token: token(2), Index: s.Last + 1, Parts: 1, From: []string{"a"}}}}
	if s.Lanes.Sweepable(mine) {
		t.Error("nobody has gone on with either lane")
	}
	sibling, also := s.Clone(), *mine
	also.Lanes = append([]OwnerLane{{Lane: "a1", Token: token(4), Index: s.Last + 1, Parts: 1, From: []string{"a"}}}, mine.Lanes...)
	l := lane(sibling, "a", 2, clock("10:00"), time.Time{})
	l.Token = token(4)
	must(t, sibling, commit(l))
	if sibling.Lanes.Sweepable(&also) {
		t.Error("what was acquired with it has taken its partition, and the rest is as it was")
	}
	later := &Owner{Lanes: []OwnerLane{{Lane: "b", Token: token(2), Index: mine.Lanes[0].Index, Parts: 1, From: []string{"a"}, Since: sibling.Last + 1}}}
	if sibling.Lanes.Sweepable(later) {
		t.Error("the entry was known to be of the acquisition's own making")
	}
	others := s.Clone()
	l = lane(others, "a", 2, clock("10:00"), time.Time{})
	l.Token = token(3)
	must(t, others, commit(l))
	if !others.Lanes.Sweepable(mine) {
		t.Error("another went on with the lane that the partition was to come from, and the staging is kept")
	}
	moved := lane(s, "b", 1, clock("10:00"), time.Time{})
	moved.Token = token(2)
	must(t, s, commit(moved))
	l = lane(s, "a", 2, clock("10:00"), time.Time{})
	l.Token = token(3)
	must(t, s, commit(l))
	if s.Lanes.Sweepable(mine) {
		t.Error("the move is committed, so what becomes of the old lane does not matter")
	}
}
