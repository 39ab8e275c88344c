package lease

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLanesAreSharedEvenlyAndEachHasOneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, newMemory(), 10)
		var rs []*reader
		for i, want := range [][]int{{10}, {5, 5}, {3, 3, 4}, {2, 2, 3, 3}} {
			rs = append(rs, j.join())
			pass(10 * time.Second)
			if got := j.loads(); !slices.Equal(got, want) {
				t.Errorf("%d members: loads %v, want %v", i+1, got, want)
			}
		}
		before := j.changed()
		pass(time.Hour)
		if j.changed() != before {
			t.Errorf("%d changes in a quiet hour", j.changed()-before)
		}
		if j.twiceRead() > 0 {
			t.Errorf("%d times a lane had two readers", j.twiceRead())
		}
		for _, r := range rs {
			r.leave()
		}
	})
}

func TestThoseThatStartTogetherNeedNotMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, newMemory(), 9)
		rs := []*reader{j.join(), j.join(), j.join()}
		pass(5 * time.Second)
		if got := j.loads(); !slices.Equal(got, []int{3, 3, 3}) || j.changed() != 9 {
			t.Errorf("loads %v after %d changes", got, j.changed())
		}
		for _, r := range rs {
			r.leave()
		}
	})
}

func TestLanesOfADeadMemberAreTakenAfterTheLeaseTimeAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, newMemory(), 8)
		a, b := j.join(), j.join()
		pass(5 * time.Second)
		a.kill()
		pass(8900 * time.Millisecond) // its last beat may have been a second before
		j.mu.Lock()
		for l, rs := range j.reading {
			if len(rs) == 1 && slices.Contains(a.said, l) {
				t.Errorf("%s was taken before the lease time", l)
			}
		}
		j.mu.Unlock()
		pass(3600 * time.Millisecond)
		if got := j.loads(); !slices.Equal(got, []int{8}) {
			t.Errorf("loads %v", got)
		}
		b.leave()
	})
}

// A process that has joined and is still reading the ledger takes nothing. It was once left a share of what a dead one had.
func TestNoLeaseIsLeftToAMemberThatDoesNotTakeAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 8)
		a, b := j.join(), j.join()
		pass(5 * time.Second)
		starting, err := Join(t.Context(), table, &j.opts)
		if err != nil {
			t.Fatal(err)
		}
		a.kill()
		pass(14 * time.Second)
		if got := j.loads(); !slices.Equal(got, []int{8}) {
			t.Errorf("loads %v", got)
		}
		starting.SetLanes(j.lanes, nil)
		pass(5 * time.Second)
		if n := j.pending(b); n != 4 {
			t.Errorf("once the other takes leases, %d of 8 are left", n)
		}
		b.leave()
		if err := starting.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What a beat says can change while its reply is lost.
func TestALostReplyOfTheLastBeatBeforeTakingLeasesIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		m, err := Join(t.Context(), table, nil)
		if err != nil {
			t.Fatal(err)
		}
		table.set(func(int, string) (error, error) { return nil, errors.New("reply lost") })
		pass(1500 * time.Millisecond)
		m.SetLanes([]string{"a"}, nil)
		pass(1500 * time.Millisecond)
		table.set(nil)
		pass(5 * time.Second)
		if lanes, _, err := m.Next(t.Context()); err != nil || len(lanes) != 1 {
			t.Errorf("lanes %v, %v", lanes, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestLeavingHandsOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 9)
		a, b, c := j.join(), j.join(), j.join()
		pass(5 * time.Second)
		a.leave()
		pass(2300 * time.Millisecond) // a look and a write
		if got := j.loads(); !slices.Equal(got, []int{4, 5}) {
			t.Errorf("loads %v", got)
		}
		b.leave()
		c.leave()
		if got := table.keys(memberPrefix); len(got) > 0 {
			t.Errorf("members left in the table: %v", got)
		}
	})
}

// The owner commits first, however long that takes within HandOver, and the asker begins after it.
func TestAskedOwnersCommitFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, newMemory(), 4)
		a := j.join()
		a.finish = 5 * time.Second
		pass(5 * time.Second)
		b := j.join()
		pass(15 * time.Second)
		if got := j.loads(); !slices.Equal(got, []int{2, 2}) || j.twiceRead() > 0 {
			t.Errorf("loads %v, %d times two readers", got, j.twiceRead())
		}
		a.leave()
		b.leave()
	})
}

func TestOwnersThatDoNotGiveAwayInTimeLoseTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 2)
		a, err := Join(t.Context(), table, &j.opts) // it never calls Release
		if err != nil {
			t.Fatal(err)
		}
		a.SetLanes(j.lanes, nil)
		if lanes, _, err := a.Next(t.Context()); err != nil || len(lanes) != 2 {
			t.Fatal(lanes, err)
		}
		b := j.join()
		at := time.Now()
		lanes, deadline, err := a.Next(t.Context())
		if left := deadline.Sub(at); err != nil || len(lanes) != 1 || left < 20*time.Second || left > 30*time.Second {
			t.Errorf("asked: %v, %v to commit, %v", lanes, left, err)
		}
		pass(25 * time.Second)
		if j.read() > 0 {
			t.Errorf("%d were taken within the time to give them away", j.read())
		}
		pass(10 * time.Second)
		if j.read() != 1 {
			t.Errorf("after the time the asker has %d", j.read())
		}
		b.leave()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A paused member finds that its lanes are gone; it takes nothing from the living because of what it saw before.
func TestAPausedMemberLosesItsLanesAndTakesNoneByForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 4)
		paused := &gate{Table: table}
		a := newJob(t, paused, 4).join()
		pass(3 * time.Second)
		b := j.join()
		pass(10 * time.Second)
		if got := j.pending(b); got != 2 {
			t.Fatalf("b has %d lanes", got)
		}
		paused.shut()
		pass(30 * time.Second)
		if got := j.pending(b); got != 4 {
			t.Errorf("b has %d lanes while a sleeps", got)
		}
		paused.open()
		pass(20 * time.Second)
		if got, other := j.pending(b), a.job.pending(a); got != 2 || other != 2 {
			t.Errorf("later b has %d lanes and a %d", got, other)
		}
		if log := b.log.String(); strings.Contains(log, "lease lost") {
			t.Errorf("a took lanes by force:\n%s", log)
		}
		a.leave()
		b.leave()
	})
}

func TestAMemberThatCannotReachTheTableGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 6)
		a, b := j.join(), j.join()
		pass(5 * time.Second)
		before := j.changed()
		down := errors.New("down")
		table.set(func(int, string) (error, error) { return down, nil })
		pass(10 * time.Minute)
		table.set(nil)
		pass(time.Minute)
		if j.changed() != before {
			t.Errorf("%d changes", j.changed()-before)
		}
		j.loads()
		a.leave()
		b.leave()
	})
}

func TestRefusalStopsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 1)
		a := j.join()
		pass(3 * time.Second)
		table.set(func(int, string) (error, error) { return fmt.Errorf("%w: no permission", ErrRefused), nil })
		<-a.done
		if !errors.Is(a.err, ErrRefused) {
			t.Errorf("Next: %v", a.err)
		}
		if _, err := Join(t.Context(), table, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("Join: %v", err)
		}
		if err := a.Close(); !errors.Is(err, ErrRefused) {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestLanesThatEndAreGivenUpAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 6)
		a, b := j.join(), j.join()
		pass(5 * time.Second)
		now := append(slices.Clone(j.lanes[3:]), "child1", "child2") // three end, two begin
		a.SetLanes(now, nil)
		pass(20 * time.Second) // the other learns of it late
		b.SetLanes(now, nil)
		pass(20 * time.Second)
		j.lanes = now
		if got := j.loads(); !slices.Equal(got, []int{2, 3}) {
			t.Errorf("loads %v", got)
		}
		slices.Sort(now)
		if got := table.keys(leasePrefix); !slices.Equal(got, now) {
			t.Errorf("leases of %v, want %v", got, now)
		}
		a.kill()
		b.SetLanes(nil, nil)
		pass(5 * time.Minute)
		if got, want := table.keys(""), []string{memberPrefix + b.Name()}; !slices.Equal(got, want) {
			t.Errorf("left in the table: %v, want %v", got, want)
		}
		b.leave()
	})
}

// However calls fail and replies are lost, in the end each lane has one reader, and a quiet table stays quiet.
func TestLostRepliesAndFailedCallsEndWell(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			table := newMemory()
			table.delay = 20 * time.Millisecond
			j := newJob(t, table, 1+rnd.IntN(12))
			lost := errors.New("reply lost")
			var rs []*reader
			for range 20 {
				table.set(nil)
				switch {
				case len(rs) < 2 || rnd.IntN(4) == 0 && len(rs) < 6:
					rs = append(rs, j.join())
				case rnd.IntN(2) == 0:
					i := rnd.IntN(len(rs))
					rs[i].kill()
					rs = slices.Delete(rs, i, i+1)
				default:
					i := rnd.IntN(len(rs))
					rs[i].leave()
					rs = slices.Delete(rs, i, i+1)
				}
				table.set(func(int, string) (before, after error) {
					switch rnd.IntN(4) {
					case 0:
						return lost, nil
					case 1:
						return nil, lost
					}
					return nil, nil
				})
				pass(rand.N(15 * time.Second))
			}
			table.set(nil)
			pass(time.Minute)
			if got := j.loads(); got[len(got)-1]-got[0] > 1 || len(got) != min(len(rs), len(j.lanes)) {
				t.Errorf("seed %d: %d members, loads %v", seed, len(rs), got)
			}
			before := j.changed()
			pass(time.Minute)
			if j.changed() != before {
				t.Errorf("seed %d: %d changes in a quiet minute", seed, j.changed()-before)
			}
			for _, r := range rs {
				r.leave()
			}
		})
	}
}

// A beat that was written though its reply was lost is no reason to take oneself for dead, nor to beat twice.
func TestALostReplyOfABeatIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newMemory()
		j := newJob(t, table, 2)
		a := j.join()
		pass(5 * time.Second)
		lost := errors.New("reply lost")
		table.set(func(_ int, key string) (error, error) {
			if strings.HasPrefix(key, memberPrefix) {
				return nil, lost
			}
			return nil, nil
		})
		pass(5 * time.Second)
		table.set(nil)
		pass(5 * time.Second)
		if got := j.loads(); !slices.Equal(got, []int{2}) || j.changed() != 2 {
			t.Errorf("loads %v after %d changes", got, j.changed())
		}
		a.leave()
		if got := table.keys(memberPrefix); len(got) > 0 {
			t.Errorf("members left in the table: %v", got)
		}
	})
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, o := range []Options{{Lease: -1}, {HandOver: -1}, {Beat: -1}, {Lease: 3 * time.Second, Beat: 2 * time.Second}} {
		if _, err := Join(t.Context(), newMemory(), &o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
