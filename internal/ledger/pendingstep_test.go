package ledger

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// next makes a set that follows h: some of its records have gone, and others came.
func next(r *rand.Rand, h driver.PendingSet) driver.PendingSet {
	end := h.First.Sub + int64(h.Through) // the position behind the last record
	var at []int64
	stay, come := r.Float64(), r.Float64()
	for _, n := range h.Ordinals {
		if r.Float64() < stay {
			at = append(at, h.First.Sub+int64(n))
		}
	}
	more := 1 + r.Int64N(500)
	for i := range more {
		if r.Float64() < come {
			at = append(at, end+i)
		}
	}
	if len(at) == 0 {
		at = append(at, end)
	}
	n := driver.PendingSet{First: pos(at[0]), Through: uint64(end + more - at[0])}
	for _, p := range at {
		n.Ordinals = append(n.Ordinals, uint32(p-at[0]))
	}
	return n
}

func TestStepsOfPendingSetsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 65))
	for range 3000 {
		base := randomPending(r)
		h := next(r, base)
		p := PartitionCommit{Progress: driver.Progress{Pending: h}, PendingBase: base}
		if r.IntN(2) == 0 { // positions with gaps: ordinals follow from how many records were read
			p.Read = h.First.Sub + int64(h.Through) - base.First.Sub - int64(base.Through)
			base.First.Seq, h.First.Seq = "12", "13"
			p.Progress.Pending, p.PendingBase = h, base
		}
		shift, ok := p.shiftOf()
		if !ok {
			t.Fatal("no shift")
		}
		step, ok := toStep(h, base, shift)
		if !ok {
			t.Fatalf("no step from %v to %v", base, h)
		}
		got, err := step.apply(base)
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("got %v (%v), want %v", got, err, h)
		}
	}
}

// A pending record that the base does not hold cannot be said as a step.
func TestAStepHoldsNothingThatHadFinished(t *testing.T) {
	base := driver.PendingSet{First: pos(10), Ordinals: []uint32{0, 4}, Through: 6}
	h := driver.PendingSet{First: pos(10), Ordinals: []uint32{0, 2}, Through: 8}
	if step, ok := toStep(h, base, 0); ok {
		t.Errorf("%+v says that position 12 is pending again", step)
	}
}

// T65: a step says what changed in the set of the base. With another one it says nothing.
func TestAStepFromAnotherBaseIsRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 65))
	refused := 0
	for range 500 {
		base := randomPending(r)
		if base.Len() < 3 {
			continue
		}
		h := next(r, base)
		step, ok := toStep(h, base, uint64(h.First.Sub-base.First.Sub))
		if !ok {
			t.Fatal("no step")
		}
		other := base
		other.Ordinals = slices.Clone(base.Ordinals)
		switch i := 1 + r.IntN(base.Len()-1); r.IntN(3) {
		case 0:
			other.Ordinals = slices.Delete(other.Ordinals, i, i+1)
		case 1:
			other.Through++
			other.Ordinals = append(other.Ordinals, uint32(base.Through))
		default:
			for k := range other.Ordinals[i:] {
				other.Ordinals[i+k]++
			}
			other.Through++
		}
		if got, err := step.apply(other); err == nil && !reflect.DeepEqual(got, h) {
			t.Fatalf("from %v a step of %v gives %v", other, base, got)
		} else if err != nil {
			refused++
		}
	}
	if refused < 100 {
		t.Errorf("only %d were refused", refused)
	}
}

// FuzzStep looks for a step that makes apply panic, or that gives what is no set.
func FuzzStep(f *testing.F) {
	f.Add([]byte{1}, []byte{2}, 1, 1, 3, uint64(0), uint64(20))
	f.Fuzz(func(t *testing.T, gone, more []byte, g, m, count int, shift, through uint64) {
		j := &pendingStepJSON{
			First: "5", Through: through, Count: count, Shift: shift, Gone: g % 2000, GoneRuns: gone, More: m % 2000, MoreRuns: more,
		}
		base := driver.PendingSet{First: pos(1), Ordinals: []uint32{0, 1, 5, 6, 7, 20}, Through: 25}
		if h, err := j.apply(base); err == nil {
			if err := checkPending(h); err != nil {
				t.Error(err)
			}
		}
	})
}

// pendingBlob is a blob of two sets, of which the second is a step from the first.
func pendingBlob(t testing.TB) ([]byte, [2]driver.PendingSet) {
	base := driver.PendingSet{First: pos(4), Ordinals: []uint32{0, 1, 300}, Through: 301}
	h := driver.PendingSet{First: pos(5), Ordinals: []uint32{0, 299, 310}, Through: 400}
	full, err := toPending(base)
	step, ok := toStep(h, base, 1)
	if err != nil || !ok {
		t.Fatal(err, ok)
	}
	body, err := pack(&pendingBlobJSON{blobHeader{Format, MinReader}, []pendingSetJSON{{Pending: full}, {Step: step}}})
	if err != nil {
		t.Fatal(err)
	}
	return body, [2]driver.PendingSet{base, h}
}

// A lane that holds many records at each commit writes what has changed, and a whole set every sixteenth time.
func TestPendingSetsAreWrittenInSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 65))
	s := newState(t)
	blobs := map[string][]byte{}
	pending := driver.PendingSet{First: pos(1), Through: 1, Ordinals: []uint32{0}}
	read := int64(1)
	full, steps := 0, 0
	var base driver.PendingSet
	for n := range 40 {
		if n > 0 {
			base = pending
			at := []int64{}
			for _, o := range pending.Ordinals {
				if pos := pending.First.Sub + int64(o); pos > read-10_000 && r.IntN(20) > 0 {
					at = append(at, pos)
				}
			}
			for i := range int64(1000) {
				if r.IntN(2) == 0 {
					at = append(at, read+1+i)
				}
			}
			read += 1000
			pending = driver.PendingSet{First: pos(at[0]), Through: uint64(read-at[0]) + 1}
			for _, p := range at {
				pending.Ordinals = append(pending.Ordinals, uint32(p-at[0]))
			}
		}
		var lanes []LaneCommit
		for i := range 8 {
			l := lane(s, fmt.Sprint("l", i), read, clock("10:00"), time.Time{})
			p := &l.Partitions[0]
			p.Progress.Pending, p.PendingLen, p.PendingBase = pending, pending.Len(), base
			p.Counts[record.Written] -= int64(pending.Len())
			lanes = append(lanes, l)
		}
		e := commit(lanes...)
		e.Token = token(100 + n)
		s.Prepare(e)
		parts, err := e.Fit(0, func(i int) string { return BlobName(e.Token, i) })
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) > 1 {
			t.Fatalf("commit %d: %d blobs, want one", n, len(parts))
		}
		for _, b := range parts {
			blobs[b.Key] = b.Body
			if strings.Contains(string(b.Body), `"step"`) {
				steps += len(b.Body)
			} else {
				full++
			}
		}
		if err := foldRead(s, e); err != nil {
			t.Fatal(err)
		}
		if n%7 == 3 { // and it comes back from a snapshot
			snapshot, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if s, err = DecodeState(s.Genesis, s.GenesisHash, s.Last, snapshot); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 8 {
			st := s.Lanes.Partitions[part(fmt.Sprint("l", i))]
			got := st.Progress.Pending
			for _, b := range st.PendingBlobs {
				sets, err := DecodePending(b, blobs[b.Key])
				if err != nil {
					t.Fatal(err)
				}
				if got, err = sets.Set(b, got); err != nil {
					t.Fatalf("commit %d: %v", n, err)
				}
			}
			if !reflect.DeepEqual(got, pending) {
				t.Fatalf("commit %d: partition %d holds something else", n, i)
			}
			if len(st.PendingBlobs) > MaxPendingBefore+1 {
				t.Fatalf("commit %d: a set of %d blobs", n, len(st.PendingBlobs))
			}
		}
	}
	if full < 2 || full > 5 || steps == 0 {
		t.Errorf("%d blobs with whole sets among 40, and %d bytes of steps", full, steps)
	}
}
