package merge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// filled is a log of n partitions, each a lane, with 25 records each at steps that differ.
func filled(n int, step time.Duration) *streamtest.Log { return filledFrom(t0, n, step) }

func filledFrom(at time.Time, n int, step time.Duration) *streamtest.Log {
	log := streamtest.NewLog(slicesOf(n)...)
	for i := range 25 {
		for lane := range n {
			log.Append(lane, 0, at.Add(time.Duration(i)*step+time.Duration(lane)*time.Millisecond), fmt.Sprintf("%d/%d", lane, i))
		}
	}
	return log
}

func slicesOf(n int) (ones []int) {
	for range n {
		ones = append(ones, 1)
	}
	return ones
}

func TestAMergeKeepsToTheContractOfASource(t *testing.T) {
	for name, over := range map[string][]bool{"endless": {false, false, false}, "one has ended": {false, true, false}, "all have ended": {true, true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streamtest.RunSource(t, func(t *testing.T) driver.Source {
				logs := []*streamtest.Log{filled(2, time.Second), filled(2, 3*time.Second), filled(2, time.Hour)}
				for i, log := range logs {
					if over[i] {
						log.EndAll()
					}
				}
				return open(t, logs[0].Source(nil), map[string]merge.Given{"b": give(logs[1]), "c": give(logs[2])}, nil)
			})
		})
	}
}
