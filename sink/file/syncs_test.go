package file

import (
	"errors"
	"testing"
	"testing/synctest"
)

// slowDisk is a disk whose syncs wait for an answer.
type slowDisk struct {
	disk
	begun  int
	answer chan error
}

func (d *slowDisk) SyncDir(string) error {
	d.begun++ // one at a time, so that the race detector finds two
	return <-d.answer
}

// A sync that is under way may have missed a name that was made since it began. All who come meanwhile share the next one,
// with its error.
func TestSyncsOfAFolderAreSharedByThoseWhoComeBeforeTheyBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := &slowDisk{answer: make(chan error)}, &syncs{}
		results := make(chan error, 100)
		call := func(n int) {
			for range n {
				go func() { results <- s.sync(d, "folder") }()
			}
			synctest.Wait()
		}
		bad := errors.New("bad")
		call(1)
		call(10)
		if d.begun != 1 || len(results) != 0 {
			t.Fatalf("%d syncs, %d calls are over, want the first sync to be under way", d.begun, len(results))
		}
		d.answer <- nil
		synctest.Wait()
		if err := <-results; err != nil || d.begun != 2 || len(results) != 0 {
			t.Fatalf("%d syncs, %d calls are over, %v, want the second sync for all who came after the first began", d.begun, len(results), err)
		}
		call(5) // the second may miss what these have named
		d.answer <- bad
		synctest.Wait()
		if len(results) != 10 {
			t.Fatalf("%d calls are over, want the 10 that share the second sync", len(results))
		}
		for range 10 {
			if err := <-results; !errors.Is(err, bad) {
				t.Errorf("got %v, want the error of the sync", err)
			}
		}
		d.answer <- nil
		for range 5 {
			if err := <-results; err != nil {
				t.Errorf("got %v of a sync that began after the bad one", err)
			}
		}
		synctest.Wait()
		if d.begun != 3 || len(s.folders) != 0 {
			t.Errorf("%d syncs, %d folders remembered, want 3 and none", d.begun, len(s.folders))
		}
	})
}
