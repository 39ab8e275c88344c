package sink_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/record"
)

// runHours is how many hours end at once in the tests of this file, and runFlows the flows that have seals.
const runHours = 100

var runFlows = []string{"clicks", "rows"}

// hourObjects are the manifest and the seals of the i-th hour from noon.
func hourObjects(i int) (manifest string, seals []string) {
	at := noon.Add(time.Duration(i) * time.Hour)
	for _, flow := range runFlows {
		seals = append(seals, flow+at.Format("/day=2006-01-02/hour=15/_SEALED"))
	}
	return "_onceflow/job/e0001/hours/" + at.Format("2006-01-02T15") + ".json", seals
}

// sealingInOrder is a process that seals: it checks that what an hour gets comes after all that readers expect before it,
// counts the calls, and is told to end instead of making object stop.
func sealingInOrder(t *testing.T, store *sinktest.Memory, stop int, end func()) (*sinktest.Faulty, *atomic.Int64) {
	number, calls, made := map[string]int{}, &atomic.Int64{}, &atomic.Int64{}
	for i := range runHours {
		manifest, seals := hourObjects(i)
		for _, key := range append(seals, manifest) {
			number[key] = i
		}
	}
	return sinktest.NewFaulty(store, func(ctx context.Context, c sinktest.Call) sinktest.Mode {
		i, ok := number[c.Key]
		if !ok {
			return sinktest.Pass
		}
		calls.Add(1)
		if c.Op != sinktest.OpCreate {
			return sinktest.Pass
		}
		var before []string
		manifest, seals := hourObjects(i)
		if slices.Contains(seals, c.Key) {
			before = append(before, manifest)
		}
		if i > 0 {
			last, seals := hourObjects(i - 1)
			before = append(before, last)
			if c.Key != manifest {
				before = append(before, seals...)
			}
		}
		for _, key := range before {
			if _, err := store.Read(context.WithoutCancel(ctx), key, 1<<20); err != nil {
				t.Errorf("%s is made before %s", c.Key, key)
			}
		}
		if int(made.Add(1)) == stop {
			end()
			return sinktest.Refuse
		}
		return sinktest.Pass
	}), calls
}

// Who went on with the seals of a long run of hours once began at its first hour: with a rebalance now and then it never
// came to an end.
func TestSealsOfALongRunGoOnWhereTheyEnded(t *testing.T) {
	for _, stop := range []int{1, 2, 3, 4, 30, 31, 32, 150, 298, 299, 300, 301} {
		for _, sameProcess := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d objects, same process %v", stop-1, sameProcess), func(t *testing.T) {
				store, _ := memory(noon.Add((runHours + 3) * time.Hour))
				ctx, end := context.WithCancel(testContext(t))
				faulty, calls := sealingInOrder(t, store, stop, end)
				flows := []sink.Flow[row]{rowsFlow("clicks"), rowsFlow("rows")}
				in := open(t, faulty, quarter, nil, flows...)
				in.acquire("a")
				in.write("a", noon, 1)
				in.commit()
				in.write("a", noon.Add(runHours*time.Hour+quarter.Lateness), 2)
				in.commit()
				_, err := in.out.Maintain(ctx, func(context.Context) ([]record.Partition, error) { return []record.Partition{part("a")}, nil })
				if (err != nil) != (stop <= 3*runHours) {
					t.Fatalf("maintain: %v", err)
				}
				before := calls.Load()
				if !sameProcess {
					faulty, calls = sealingInOrder(t, store, 0, nil)
					in, before = open(t, faulty, quarter, nil, flows...), 0
				}
				in.maintain("a")
				left := max(0, 3*runHours-stop+1)
				if got, most := int(calls.Load()-before), left+40; got > most {
					t.Errorf("%d calls for the %d objects that were left, want at most %d", got, left, most)
				}
				if got := len(keys(t, store, "_onceflow/job/e0001/hours/")); got != runHours {
					t.Errorf("%d manifests of hours, want %d", got, runHours)
				}
				got := slices.DeleteFunc(keys(t, store, ""), func(key string) bool { return !strings.HasSuffix(key, "_SEALED") })
				if len(got) != len(runFlows)*runHours {
					t.Errorf("%d seals, want %d", len(got), len(runFlows)*runHours)
				}
			})
		}
	}
}
