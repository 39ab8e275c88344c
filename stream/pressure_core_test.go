package stream

import "testing"

// The lane's queue was drained between the look at it and the pause: nobody else would resume it.
func TestALaneThatIsDrainedMeanwhileIsNotPaused(t *testing.T) {
	src := newLoopSource(1, 1, 0)
	o, err := (&Options{}).filled()
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(decodeBench(From(src)), nullOutput{}, o)
	l := &lane[hit]{assignment: src.lanes[0]}
	e.poller.lanes[l.assignment.Lane] = l
	e.poller.pause(l)
	if l.paused.Load() || src.paused[l.assignment.Lane] {
		t.Error("the lane is paused, though nothing waits in its queue")
	}
	l.queued.Store(e.memory.share.Load())
	e.poller.pause(l)
	if !l.paused.Load() || !src.paused[l.assignment.Lane] {
		t.Error("the lane is not paused, though its queue is full")
	}
}
