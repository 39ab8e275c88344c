package sink_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// joining is what a join holds of one partition: half of its events wait for a partner for some seconds, or in vain for a
// hundred, those of the other side for fifteen.
type joining struct {
	rate int64
	r    *rand.Rand
	ends []float64 // when each event is let go of, in seconds
}

// at is the set that is pending after so many seconds, and how many events were read by then.
func (j *joining) at(second int64) (h driver.PendingSet, read int64) {
	read = second * j.rate
	for i := int64(len(j.ends)); i < read; i++ {
		t := float64(i) / float64(j.rate)
		switch matched, left := j.r.IntN(2) == 0, j.r.IntN(2) == 0; {
		case matched && left:
			t += min(5*j.r.ExpFloat64(), 90)
		case left:
			t += 100
		case !matched:
			t += 15
		}
		j.ends = append(j.ends, t)
	}
	for i, end := range j.ends {
		if end <= float64(second) {
			continue
		}
		if h.Len() == 0 {
			h.First = record.Position{Sub: int64(i) + 1}
			h.Through = uint64(read - int64(i))
		}
		h.Ordinals = append(h.Ordinals, uint32(int64(i)+1-h.First.Sub))
	}
	return h, read
}

// A join of 1,000 events a second and partition once wrote all that it held at each commit: 17 KB for each partition, though
// little of it had changed.
func TestPendingSetsThatChangeComeBackAtAnAcquisition(t *testing.T) {
	const every, commits = 10, 40
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	lanes := []string{"a", "b"}
	in.acquire(lanes...)
	joins := map[string]*joining{}
	for i, lane := range lanes {
		joins[lane] = &joining{rate: 300, r: rand.New(rand.NewPCG(65, uint64(i)))}
	}
	sizes := map[string]int{}
	steady := 0
	for n := range int64(commits) {
		want := map[string]driver.PendingSet{}
		for lane, j := range joins {
			pending, read := j.at((n + 1) * every)
			was := in.at[lane]
			in.read[lane] = read - was.UpTo.Sub
			in.done[lane] = record.Counts{record.Written: int64(was.Pending.Len()) + in.read[lane] - int64(pending.Len())}
			at := noon.Add(time.Duration(n) * time.Second)
			in.at[lane] = driver.Progress{UpTo: record.Position{Sub: read}, Pending: pending, PendingTime: noon, MaxEventTime: at}
			want[lane] = pending
		}
		in.commit()
		for _, folder := range []string{"s0000/", "blobs/"} {
			for _, key := range keys(t, store, "_onceflow/job/e0001/"+folder) {
				if body, err := store.Read(t.Context(), key, 1<<20); err == nil && sizes[key] == 0 {
					sizes[key] = len(body)
					if n >= commits/2 {
						steady += len(body)
					}
				}
			}
		}
		if n%6 != 5 {
			continue
		}
		other := open(t, store, nil, nil, rowsFlow("rows"))
		other.acquire(lanes...)
		for lane, pending := range want {
			if got := other.at[lane].Pending; !slices.Equal(got.Ordinals, pending.Ordinals) || got.Through != pending.Through || got.First != pending.First {
				t.Fatalf("after commit %d another instance finds %d pending records of lane %s, want %d", n, got.Len(), lane, pending.Len())
			}
		}
	}
	const bitmap = 300 * 100 / 8 * 4 / 3 // in JSON, of each partition
	got := steady / (commits / 2) / len(lanes)
	t.Logf("%d bytes a partition and commit, a bitmap would take %d", got, bitmap)
	if got > bitmap/2 {
		t.Errorf("%d bytes a partition and commit, want at most %d", got, bitmap/2)
	}
}
