package workers_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/workers"
)

// Whatever order tasks are called and answer in, and wherever crashes and lost commits fall, each record has its result once, and
// the results of a sub-partition are in the order of its records, of a lane if that is chosen.
func TestEachRecordOnceAndInOrderWhateverTheOrderOfAnswers(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 6))
		o := &workers.Options{InOrder: rng.IntN(3) == 0, Timeout: time.Minute, Failed: func(error, int) workers.Verdict { return workers.Retry }}
		if rng.IntN(4) == 0 {
			o.InFlight = 3
		}
		r := newRig(t, o)
		fed := 0
		var waiting []call
		answer := func() {
			waiting = append(waiting, r.d.calls...)
			r.d.calls = nil
			if len(waiting) == 0 {
				return
			}
			i := rng.IntN(len(waiting))
			c := waiting[i]
			if rng.IntN(5) > 0 { // else it is answered again, perhaps after its lane was closed
				waiting = slices.Delete(waiting, i, i+1)
			}
			if rng.IntN(3) == 0 {
				c.reply.Fail(errors.New("away"))
			} else {
				c.reply.Done(c.value)
			}
		}
		for range 150 {
			switch rng.IntN(12) {
			case 0, 1, 2:
				for range rng.IntN(4) {
					r.Feed(t0, fmt.Sprintf("%c%d", 'a'+rng.IntN(4), fed))
					fed++
				}
			case 3, 4:
				r.s.Step()
			case 5, 6, 7:
				answer()
			case 8:
				r.s.Advance(time.Duration(rng.Int64N(int64(20 * time.Second))))
			case 9:
				r.Pull()
			case 10:
				r.Commit()
			default:
				if rng.IntN(2) == 0 {
					r.Fence()
				} else {
					r.Crash()
				}
			}
		}
		for i := 0; r.Pending() > 0 && i < 1000; i++ {
			r.s.Advance(10 * time.Second)
			for _, c := range append(waiting, r.d.calls...) {
				c.reply.Done(c.value)
			}
			waiting, r.d.calls = nil, nil
			r.Pull()
		}
		last := map[byte]int{}
		for _, v := range r.Out {
			var n int
			if _, err := fmt.Sscanf(v[1:], "%d", &n); err != nil {
				t.Fatal(err)
			}
			part := v[0]
			if o.InOrder {
				part = 0
			}
			if o.InFlight == 0 || o.InOrder {
				if before, ok := last[part]; ok && n < before {
					t.Errorf("seed %d: %s is behind %d in %q", seed, v, before, r.Out)
				}
			}
			last[part] = n
		}
		slices.Sort(r.Out)
		if n := len(slices.Compact(slices.Clone(r.Out))); len(r.Out) != fed || n != fed || r.Pending() != 0 {
			t.Fatalf("seed %d: %d rows, %d of them different, of %d records, %d pending, %+v: %s",
				seed, len(r.Out), n, fed, r.Pending(), r.w.Status(), strings.Join(r.Out, " "))
		}
		r.Close()
	}
}
