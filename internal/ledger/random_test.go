package ledger

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// walker makes random valid entries, as right drivers would.
type walker struct {
	r     *rand.Rand
	s     *State
	parts []record.Partition // of lane-0, lane-1, ...: one each
	now   time.Time
}

func newWalker(t testing.TB, seed uint64, lanes int) *walker {
	w := &walker{r: rand.New(rand.NewPCG(seed, 1)), s: newState(t), now: clock("10:00")}
	for i := range lanes {
		w.parts = append(w.parts, part(fmt.Sprintf("p%d", i)))
	}
	return w
}

// entry returns an entry that the state takes.
func (w *walker) entry() *Entry {
	w.now = w.now.Add(time.Duration(w.r.IntN(600)) * time.Second)
	var pending []uint64
	for id := range w.s.Unpublished {
		if w.r.IntN(2) == 0 {
			pending = append(pending, id)
		}
	}
	e := &Entry{Token: token(int(w.s.Last) + 1), Published: pending}
	switch w.r.IntN(8) {
	case 0:
		e.Kind, e.Config = KindConfig, &Config{Generation: w.s.Config.Generation + 1, Topics: []string{"topic"}}
		return e
	case 1:
		if from, through, ok := w.s.CloseDue(w.now, 0, w.s.Unpublished); ok {
			e.Kind, e.Close = KindClose, closing(from, through, w.now).Close
			e.Close.Lateness, e.Close.Generation = 0, w.s.Config.Generation
			if w.s.Hours.ClosedEntry != 0 {
				e.Sealed = w.s.Hours.Closed
			}
			return e
		}
	case 2:
		if len(pending) > 0 {
			e.Kind = KindMark
			return e
		}
	}
	e.Kind, e.Commit = KindCommit, &Commit{}
	for i, p := range w.parts {
		if w.r.IntN(3) == 0 || i == 0 {
			e.Commit.Lanes = append(e.Commit.Lanes, w.lane(p))
		}
	}
	for i := range w.r.IntN(3) {
		h := when.Later(w.s.NextHour(), w.s.Genesis.HourOf(w.now))
		e.Commit.Files = append(e.Commit.Files, File{Flow: "f", Hour: h, Key: fmt.Sprintf("k%d", i), Length: w.r.Int64N(100), Rows: w.r.Int64N(9)})
	}
	e.Commit.Hours = SumHours(e.Commit.Files)
	return e
}

func (w *walker) lane(p record.Partition) LaneCommit {
	old := w.s.Lanes.Partitions[p]
	if old == nil {
		old = &Partition{}
	}
	was := old.Progress
	cut := driver.Progress{UpTo: was.UpTo, MaxEventTime: w.now, Arrived: w.now}
	read := w.r.Int64N(5)
	cut.UpTo.Sub += read
	// Everything that was pending finishes; some of what is new is pending.
	if pending := w.r.Int64N(read + 1); pending > 0 {
		cut.Pending = driver.PendingSet{First: pos(cut.UpTo.Sub - pending + 1), Through: uint64(pending)}
		for i := range pending {
			cut.Pending.Ordinals = append(cut.Pending.Ordinals, uint32(i))
		}
		cut.PendingTime = w.now.Add(-time.Duration(w.r.IntN(100)) * time.Second)
	}
	c := PartitionCommit{Partition: p, Progress: Advance(was, cut, time.Minute, false), PendingLen: cut.Pending.Len(), Read: read}
	c.Counts[w.r.IntN(record.Fates)] = int64(old.PendingLen) + read - int64(c.PendingLen)
	name := "lane-" + p.ID
	return LaneCommit{Lane: name, Base: w.s.Base(name), Token: token(w.r.IntN(9)), Partitions: []PartitionCommit{c}}
}

// Every state that entries lead to comes back from its snapshot, and folding on from there is the same as without.
func TestSnapshotsComeBackAtEveryEntry(t *testing.T) {
	for seed := range uint64(20) {
		w := newWalker(t, seed, 6)
		copied := w.s.Clone()
		var read int64
		for range 100 {
			e := w.entry()
			before, err := w.s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			clone := w.s.Clone()
			must(t, w.s, e)
			if again, err := clone.Encode(); err != nil || !bytes.Equal(again, before) {
				t.Fatalf("seed %d entry %d: folding into a state changes its copy: %v", seed, e.ID, err)
			}
			if err := foldRead(copied, e); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			snap, err := copied.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if copied, err = DecodeState(w.s.Genesis, w.s.GenesisHash, w.s.Last, snap); err != nil {
				t.Fatalf("seed %d entry %d: %v\n%s", seed, e.ID, err, snap)
			}
			if got, want := copied.normal(), w.s.normal(); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d entry %d: got\n%+v\nwant\n%+v", seed, e.ID, got, want)
			}
			pending := int64(0)
			for _, p := range w.s.Lanes.Partitions {
				pending += int64(p.PendingLen)
			}
			if read = w.s.Read; read != w.s.Counts.Sum()+pending {
				t.Fatalf("seed %d: read %d, fates %v, pending %d", seed, read, w.s.Counts, pending)
			}
		}
		if w.s.Hours.ClosedEntry == 0 || read == 0 {
			t.Errorf("seed %d: read %d, no hour closed: the walk tests too little", seed, read)
		}
	}
}

// normal is a copy for DeepEqual: what has no order is sorted.
func (s *State) normal() *State {
	c := s.Clone()
	for name, l := range c.Lanes.ByName {
		n := *l
		n.parts = slices.SortedFunc(slices.Values(l.parts), record.Partition.Compare)
		c.Lanes.ByName[name] = &n
	}
	for id, p := range c.Unpublished {
		if len(p.Hours) == 0 {
			c.Unpublished[id] = Unpublished{}
		}
	}
	for id, p := range c.Lanes.Partitions {
		n := *p
		n.Progress.Children = slices.Clip(n.Progress.Children)
		c.Lanes.Partitions[id] = &n
	}
	return c
}
