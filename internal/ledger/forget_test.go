package ledger

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// ended is lane for a partition that ends there.
func ended(s *State, name string, n int64) LaneCommit {
	l := lane(s, name, n, clock("10:00"), time.Time{})
	l.Partitions[0].Progress.Ended = true
	l.Partitions[0].Progress.Arrived = clock("10:01")
	return l
}

// acquired makes l the first touch of a lane that was acquired when entry n was to come.
func (l LaneCommit) acquired(n uint64) LaneCommit {
	l.Acquired = n
	return l
}

func forget(names ...string) *Entry {
	f := &Forget{}
	for _, n := range names {
		f.Over = append(f.Over, HashPartition(part(n)))
	}
	slices.SortFunc(f.Over, PartitionHash.Compare)
	return &Entry{Kind: KindForget, Token: token(9), Forget: f}
}

func gone(names ...string) *Entry {
	e := forget(names...)
	e.Forget.Over, e.Forget.Gone = nil, e.Forget.Over
	return e
}

// T60: what holds, has more to come, or was given up by a person is not over.
func TestOnlyWhatIsOverIsForgotten(t *testing.T) {
	s := newState(t)
	holds := ended(s, "holds", 3).pending(clock("10:00"), 2)
	must(t, s, commit(ended(s, "over", 3)), commit(holds), commit(lane(s, "goes on", 3, clock("10:00"), time.Time{})),
		commit(ended(s, "retired", 3)))
	must(t, s, retire(s, "retired", "retired"))
	for _, name := range []string{"holds", "goes on", "retired", "unknown"} {
		wantVoid(t, name, s, forget(name))
	}
	read := s.Read
	must(t, s, forget("over"))
	if s.Lanes.Partitions[part("over")] != nil || s.Lanes.ByName["over"] != nil || s.Lanes.Over != 1 || s.Read != read || read == 0 {
		t.Errorf("of what was forgotten is left %+v and %+v; %d over, %d read, want none, 1 and %d", s.Lanes.Partitions[part("over")], s.Lanes.ByName["over"], s.Lanes.Over, s.Read, read)
	}
	wantVoid(t, "forgotten before", s, forget("over"))
}

// T62: a file that still lies in the folder was once known by its progress alone.
func TestWhatWasForgottenIsNeverReadAgain(t *testing.T) {
	s := newState(t)
	must(t, s, commit(ended(s, "a", 3)), forget("a"))
	got, _ := s.Lanes.Resume(part("a"))
	if want := (driver.Progress{UpTo: pos(3), Ended: true, Arrived: clock("10:01")}); !reflect.DeepEqual(got, want) {
		t.Errorf("it goes on at %+v, want %+v", got, want)
	}
	wantVoid(t, "a commit of it", s, commit(lane(s, "a", 1, clock("10:00"), time.Time{}).acquired(s.Last+1)))
	must(t, s, gone("a"))
	if got, _ := s.Lanes.Resume(part("a")); got.Ended || s.Lanes.Finished.Len() != 0 {
		t.Errorf("it has gone and goes on at %+v", got)
	}
	wantVoid(t, "gone before", s, gone("a"))
	must(t, s, commit(lane(s, "a", 1, clock("10:00"), time.Time{}).acquired(s.Last+1)))
}

// A lane that has a forgotten partition beside one that goes on was once back at the beginning of time, and took for on time what it had
// taken for late.
func TestAForgottenPartitionLeavesTheWatermarkOfItsLaneAlone(t *testing.T) {
	s := newState(t)
	l := ended(s, "a", 3)
	l.Partitions = append(l.Partitions, lane(s, "b", 3, clock("10:00"), clock("09:30")).Partitions...)
	must(t, s, commit(l))
	parts := []record.Partition{part("a"), part("b")}
	before := s.Lanes.Watermark("a", parts)
	must(t, s, forget("a"))
	if got := s.Lanes.Watermark("a", parts); !got.Equal(before) || !got.Equal(clock("09:30")) {
		t.Errorf("watermark is %s, was %s, want 09:30", got, before)
	}
}

// T61: a process that had acquired a lane before anybody read it slept while others read it to its end and forgot it.
func TestFirstTouchOfALaneThatWasForgottenIsVoid(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "other", 1, clock("10:00"), time.Time{})))
	slept := s.Last + 1
	must(t, s, commit(ended(s, "a", 3)))
	fresh := s.Last + 1
	must(t, s, forget("a"), gone("a"))
	wantVoid(t, "the sleeper's", s, commit(lane(s, "a", 3, clock("10:00"), time.Time{}).acquired(slept)))
	wantVoid(t, "one that says nothing of its acquisition", s, commit(lane(s, "a", 3, clock("10:00"), time.Time{})))
	wantVoid(t, "one on the version before", s, commit(LaneCommit{Lane: "a", Base: fresh - 1, Token: token(7), Acquired: slept}))
	must(t, s, commit(lane(s, "b", 3, clock("10:00"), time.Time{}).acquired(fresh)))
}

// T63: a lane that is not known may be one that nobody has touched yet, or one that was forgotten.
func TestStagingOfAForgottenLaneIsSwept(t *testing.T) {
	s := newState(t)
	must(t, s, commit(lane(s, "other", 1, clock("10:00"), time.Time{})))
	before := &Owner{Lanes: []OwnerLane{{Lane: "a", Token: token(1), Index: s.Last + 1, Parts: 1}}}
	if s.Lanes.Sweepable(before) {
		t.Error("staging of a lane that nobody has touched is swept")
	}
	must(t, s, commit(ended(s, "a", 3)))
	after := &Owner{Lanes: []OwnerLane{{Lane: "new", Token: token(1), Index: s.Last + 1, Parts: 1}}}
	must(t, s, forget("a"))
	if !s.Lanes.Sweepable(before) {
		t.Error("staging of a forgotten lane stays for ever")
	}
	if s.Lanes.Sweepable(after) {
		t.Error("staging of a lane that was acquired since is swept")
	}
	moved := &Owner{Lanes: []OwnerLane{{Lane: "new", Token: token(1), Index: s.Last, From: []string{"a"}, Parts: 1}}}
	if !s.Lanes.Sweepable(moved) {
		t.Error("staging stays whose commit would take a partition from a forgotten lane")
	}
}

// Hours close on although all partitions that there ever were have been forgotten.
func TestHoursCloseWhenAllIsForgotten(t *testing.T) {
	s := newState(t)
	must(t, s, commit(ended(s, "a", 3)).files(clock("10:00")), mark(1), forget("a"))
	from, through, ok := s.CloseDue(clock("23:00"), 15*time.Minute, s.Unpublished)
	if !ok || !from.Equal(clock("10:00")) || !through.Equal(clock("11:00")) {
		t.Fatalf("hours from %s through %s close: %v, want that of 10h", from, through, ok)
	}
	e := closing(from, through, clock("23:00"), part("a"))
	s.Prepare(e)
	if err := s.CheckClose(e, []record.Partition{part("a")}); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Every list of finished partitions comes back from its snapshot and its chunks, and what is taken out leaves no trace for long.
func TestFinishedPartitionsComeBackFromTheirChunks(t *testing.T) {
	s := newState(t)
	name := func(i int) string { return fmt.Sprintf("f%05d", i) }
	batch := func(from, n int, f func(...string) *Entry) *Entry {
		var names []string
		for i := range n {
			names = append(names, name(from+i))
		}
		return f(names...)
	}
	most := 0
	for from := 0; from < 12_000; from += 500 {
		c := commit()
		for i := range 500 {
			c.Commit.Lanes = append(c.Commit.Lanes, ended(s, name(from+i), int64(i+1)).acquired(s.Last+1))
		}
		s.Prepare(c)
		if err := s.Fold(c, HashOf([]byte(fmt.Sprint("commit", from)))); err != nil { // too long for an entry without blobs
			t.Fatal(err)
		}
		must(t, s, batch(from, 500, forget))
		if from >= 3000 {
			must(t, s, batch(from-3000, 500, gone))
		}
		most = max(most, s.Lanes.Finished.changes())
		body, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeState(s.Genesis, s.GenesisHash, s.Last, body)
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string][]byte{}
		s.Lanes.Finished.saved = 0
		chunks, err := s.Lanes.Finished.Unsaved()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			stored[c.Key] = c.Body
		}
		var bodies [][]byte
		for _, h := range again.Lanes.Finished.Missing() {
			body, err := DecodeChunk(h, stored[ChunkName(h)])
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, body)
		}
		if err := again.Lanes.Finished.Complete(bodies); err != nil {
			t.Fatal(err)
		}
		s.Lanes.Finished.Saved(chunks)
		if !reflect.DeepEqual(s.Lanes.Finished, again.Lanes.Finished) && s.Lanes.Finished.changes() > 0 {
			t.Fatalf("from %d: %d changes and %d partitions come back as %d and %d", from, s.Lanes.Finished.changes(), s.Lanes.Finished.Len(), again.Lanes.Finished.changes(), again.Lanes.Finished.Len())
		}
	}
	if s.Lanes.Finished.Len() != 3000 || most > 2*3500+chunkLen+1000 {
		t.Errorf("%d partitions are left and there were up to %d changes, want 3000 and not many more than twice that", s.Lanes.Finished.Len(), most)
	}
	if _, err := DecodeChunk(s.Lanes.Finished.chunks[0].hash, []byte("x")); err == nil {
		t.Error("a chunk of another content is taken")
	}
}

func TestAForgetIsCheckedLikeAnyEntry(t *testing.T) {
	h := []PartitionHash{{1}, {2}}
	for name, f := range map[string]*Forget{
		"nothing":   {},
		"order":     {Over: []PartitionHash{h[1], h[0]}},
		"twice":     {Gone: []PartitionHash{h[0], h[0]}},
		"too many":  {Over: make([]PartitionHash, MaxForget+1)},
		"gone many": {Gone: make([]PartitionHash, MaxForget+1)},
	} {
		if err := f.check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	s := newState(t)
	must(t, s, commit(ended(s, "a", 3)))
	e := forget("a")
	e.Forget.Generation = 3
	wantVoid(t, "another generation", s, e)
	if err := errors.Join((&Forget{Over: h}).check(), (&Forget{Gone: h}).check()); err != nil {
		t.Error(err)
	}
}
