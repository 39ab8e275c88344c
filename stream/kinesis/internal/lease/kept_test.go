package lease

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// split lets a lane of a reader end, and two children take its place. It returns the lanes that there are then.
func (j *job) split(r *reader) (now, children []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.IndexFunc(j.lanes, func(l string) bool { return j.reading[l][r.Name()] })
	children = []string{"child1", "child2"}
	return slices.Concat(j.lanes[:i], j.lanes[i+1:], children), children
}

// readers of a lane.
func (j *job) readers(lane string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.reading[lane]))
}

// Another process may see in the ledger that a lane has split before its reader does. It once took the children, which the
// reader had read for a while, and the work of one of the two was void.
func TestChildrenStayWithTheReaderOfTheirParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, newMemory(), 5)
		a, b := j.join(), j.join()
		pass(5 * time.Second)
		if j.pending(a) < j.pending(b) {
			a, b = b, a
		}
		now, children := j.split(a) // both have two now, so by the deal one of the children is b's
		b.SetLanes(now, nil)
		pass(8 * time.Second) // less than the lease time
		for _, c := range children {
			if rs := j.readers(c); len(rs) > 0 {
				t.Errorf("%s is read by %v before the parent's reader is heard of", c, rs)
			}
		}
		a.SetLanes(now, children)
		synctest.Wait()
		for _, c := range children {
			if rs := j.readers(c); !slices.Equal(rs, []string{a.Name()}) {
				t.Errorf("%s is read by %v at once, want the parent's reader", c, rs)
			}
		}
		before := j.changed()
		pass(30 * time.Second)
		j.lanes = now
		// One moves, since the parent's reader has two more; it is handed over.
		if got := j.loads(); !slices.Equal(got, []int{3, 3}) || j.twiceRead() > 0 || j.changed() != before+2 {
			t.Errorf("loads %v, %d read twice, %d given up or begun", got, j.twiceRead(), j.changed()-before)
		}
		a.leave()
		b.leave()
	})
}

// A reader that has gone keeps nobody from the children.
func TestChildrenDoNotWaitForAReaderThatIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(*reader)
		within time.Duration
	}{"it leaves": {(*reader).leave, 3 * time.Second}, "it is killed": {(*reader).kill, 13 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJob(t, newMemory(), 4)
				a, b := j.join(), j.join()
				pass(5 * time.Second)
				now, children := j.split(a)
				b.SetLanes(now, nil)
				c.end(a)
				pass(c.within)
				for _, c := range children {
					if rs := j.readers(c); !slices.Equal(rs, []string{b.Name()}) {
						t.Errorf("%s is read by %v, want the other process", c, rs)
					}
				}
				b.leave()
			})
		})
	}
}

// Two claim the same lane: the table decides, and the other is told.
func TestAClaimThatComesTooLateIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, newMemory(), 4)
		a, b := j.join(), j.join()
		pass(5 * time.Second)
		now, children := j.split(a)
		b.SetLanes(now, children)
		pass(3 * time.Second)
		a.SetLanes(now, children)
		pass(30 * time.Second)
		j.lanes = now
		if got := j.loads(); !slices.Equal(got, []int{2, 3}) || j.pending(b) < 2 {
			t.Errorf("loads %v, %d of them the faster one's", got, j.pending(b))
		}
		a.leave()
		b.leave()
	})
}
