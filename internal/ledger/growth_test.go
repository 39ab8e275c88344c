package ledger

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// allocated is how many bytes f takes from the heap, given back or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// wantLinear fails if four times as much work takes far more than four times the memory. work prepares, and returns what
// counts.
func wantLinear(t *testing.T, n int, work func(n int) func()) {
	t.Helper()
	few, many := allocated(work(n)), allocated(work(4*n))
	if many > 8*few {
		t.Errorf("%d bytes for %d and %d for %d: it grows with the square", few, n, many, 4*n)
	}
}

// A lane with n partitions once copied its list for each that came, also when a snapshot was read: 10,000 took 5 GB.
func TestALaneOfManyPartitionsIsFoldedInOnePass(t *testing.T) {
	snapshot := func(n int) []byte {
		body, err := oneLane(t, n).Encode()
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	wantLinear(t, 500, func(n int) func() {
		body, s := snapshot(n), newState(t)
		return func() {
			if _, err := DecodeState(s.Genesis, s.GenesisHash, 1, body); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Partitions that leave a lane together once copied the list of the others for each of them.
func TestPartitionsThatLeaveALaneTogetherAreFoldedInOnePass(t *testing.T) {
	wantLinear(t, 500, func(n int) func() {
		s := oneLane(t, n)
		before := s.Clone()
		e := commit(LaneCommit{Lane: "all", Base: 1, Token: token(7)})
		for i := range n {
			name := fmt.Sprintf("p%06d", i)
			l := lane(s, name, 6, clock("10:00"), clock("09:45"))
			e.Commit.Lanes = append(e.Commit.Lanes, l)
		}
		return func() {
			s.Prepare(e)
			if err := s.Fold(e, token32(e.ID)); err != nil {
				t.Fatal(err)
			}
			if left, moved := len(s.Lanes.ByName["all"].parts), len(s.Lanes.ByName["p000007"].parts); left != 0 || moved != 1 {
				t.Errorf("%d partitions are left in the lane, and %d in another, want 0 and 1", left, moved)
			}
			if was := len(before.Lanes.ByName["all"].parts); was != n {
				t.Errorf("a copy of the state has %d partitions in the lane now, want %d", was, n)
			}
		}
	})
}

func oneLane(t *testing.T, n int) *State {
	s := newState(t)
	all := LaneCommit{Lane: "all", Token: token(7)}
	for i := range n {
		all.Partitions = append(all.Partitions, lane(s, fmt.Sprintf("p%06d", i), 5, clock("10:00"), clock("09:45")).Partitions...)
	}
	e := commit(all)
	s.Prepare(e)
	if err := s.Fold(e, token32(1)); err != nil {
		t.Fatal(err)
	}
	return s
}

func token32(n uint64) Hash { return HashOf([]byte(fmt.Sprint(n))) }

// A copy of a state shares the lists of partitions: neither may see what the other folds.
func TestCopiesOfAStateFoldOnTheirOwn(t *testing.T) {
	s := oneLane(t, 3)
	grow := func(s *State, name string) {
		e := commit(LaneCommit{Lane: "all", Base: s.Base("all"), Token: token(7), Partitions: lane(s, name, 5, clock("10:00"), clock("09:45")).Partitions})
		s.Prepare(e)
		if err := s.Fold(e, token32(e.ID)); err != nil {
			t.Fatal(err)
		}
	}
	grow(s, "x1") // now there is room behind the list
	c := s.Clone()
	grow(c, "copy")
	grow(s, "original")
	if a, b := s.Lanes.ByName["all"].parts[4].ID, c.Lanes.ByName["all"].parts[4].ID; a != "original" || b != "copy" {
		t.Errorf("the original has %q and its copy %q", a, b)
	}
}

// Each pending set that went to a blob once had the whole entry encoded anew.
func TestManyPendingSetsFitInOnePass(t *testing.T) {
	wantLinear(t, 400, func(n int) func() {
		s := newState(t)
		e := commit()
		for i := range n {
			at := make([]int64, 300)
			for k := range at {
				at[k] = int64(1 + 2*k)
			}
			e.Commit.Lanes = append(e.Commit.Lanes, lane(s, fmt.Sprintf("lane-%05d", i), 1000, clock("10:00"), time.Time{}).pending(clock("09:50"), at...))
		}
		s.Prepare(e)
		return func() {
			if _, err := e.Fit(0, blobName); err != nil {
				t.Fatal(err)
			}
			if size, err := e.size(); err != nil || size > MaxEntry {
				t.Errorf("the entry has %d bytes (%v)", size, err)
			}
		}
	})
}

// A process with 100,000 lanes, all of them in one commit, stays within all limits.
func TestAHundredThousandLanesFitTheLimits(t *testing.T) {
	s := newState(t)
	e, o := commit(), &Owner{}
	long := strings.Repeat("/folder-of-a-file", 5)
	for i := range 100_000 {
		l := lane(s, fmt.Sprintf("%s/%08d", long, i), 5, clock("10:00"), clock("09:45"))
		e.Commit.Lanes = append(e.Commit.Lanes, l)
		o.Lanes = append(o.Lanes, OwnerLane{Lane: l.Lane, Token: l.Token, Index: 1 << 40, Parts: 1})
	}
	s.Prepare(e)
	parts, err := e.Fit(0, blobName)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 1 {
		t.Errorf("%d blobs, want one", len(parts))
	}
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fold(e, HashOf(body)); err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	owner, err := o.Encode()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("entry %d, blob %d, snapshot %d, owner %d bytes", len(body), len(parts[0].Body), len(snapshot), len(owner))
}
