package kinesis

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// scripted is an assigner that a test plays. It is told of lanes and releases.
type scripted struct {
	next chan []string

	mu       sync.Mutex
	kept     []string // of the last SetLanes
	released []string
}

func (a *scripted) SetLanes(_, kept []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = slices.Clone(kept)
}

func (a *scripted) Next(ctx context.Context) ([]string, time.Time, error) {
	select {
	case lanes := <-a.next:
		return lanes, time.Time{}, nil
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
}

func (a *scripted) Release(lane string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.released = append(a.released, lane)
}

func (a *scripted) Close() error { return nil }

func (a *scripted) wantReleased(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.released, want) {
		t.Errorf("%s: released %q, want %q", when, a.released, want)
	}
}

// A lease was taken back 0.2 s after it was given, while the ledger was being read. It was never released, so nobody had
// it for the 30 seconds of a hand-over.
func TestALeaseIsReleasedHoweverShortItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(2)
		s := f.open(t, &Options{Refresh: time.Hour})
		defer s.Close()
		a := &scripted{next: make(chan []string)}
		s.follow.assigner = a
		slow := make(chan struct{}) // how long reading the ledger takes
		tell := func(context.Context) (map[record.Partition]driver.Standing, error) {
			<-slow
			return nil, nil
		}
		if err := s.Begin(t.Context(), driver.Ledger{Tell: tell}); err != nil {
			t.Fatal(err)
		}
		ids := []string{f.partition(0).ID, f.partition(1).ID}
		batches := make(chan *driver.Batch)
		go polling(t.Context(), s, batches)
		slow <- struct{}{}
		a.next <- ids
		if b := <-batches; len(b.Assigned) != 2 {
			t.Fatalf("assigned %v, want both lanes", b.Assigned)
		}
		synctest.Wait() // the ledger is being read again
		a.next <- ids[:1]
		if b := <-batches; !slices.Equal(b.Revoked, ids[1:]) {
			t.Fatalf("revoked %v, want the second", b.Revoked)
		}
		a.wantReleased(t, "while the ledger is read")
		for range 2 { // the reading that was under way, and one that the end of the revocation asks for
			slow <- struct{}{}
			synctest.Wait()
		}
		a.wantReleased(t, "once the engine has given the lane up", ids[1])

		// One that never came to be a lane.
		a.next <- append(ids[:1:1], "shardId-over")
		a.next <- ids[:1]
		slow <- struct{}{}
		synctest.Wait()
		select {
		case slow <- struct{}{}:
		default: // one look was enough
		}
		a.wantReleased(t, "once a lease of no lane is taken back", ids[1], "shardId-over")
	})
}

// Lanes that get leases of their own, since the ledger has them as lanes of their own now, are read on as if nothing had
// happened. They were once given up until the assigner gave their new leases to somebody.
func TestLanesWithNewLeasesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.replace([]int{0}, "0", halfLess, half, wholeRange)
		s := f.open(t, &Options{Refresh: time.Hour})
		defer s.Close()
		a := &scripted{next: make(chan []string)}
		s.follow.assigner = a
		parent, children := f.partition(0), []string{f.partition(1).ID, f.partition(2).ID}
		moved := false // by what is committed
		tell := func(context.Context) (map[record.Partition]driver.Standing, error) {
			all := map[record.Partition]driver.Standing{parent: {Lane: parent.ID, Ended: true}}
			for i := 1; i <= 2; i++ {
				all[f.partition(i)] = driver.Standing{Lane: parent.ID}
				if moved {
					all[f.partition(i)] = driver.Standing{Lane: f.partition(i).ID}
				}
			}
			return all, nil
		}
		if err := s.Begin(t.Context(), driver.Ledger{Tell: tell}); err != nil {
			t.Fatal(err)
		}
		batches := make(chan *driver.Batch, 10)
		go polling(t.Context(), s, batches)
		a.next <- []string{parent.ID}
		synctest.Wait()
		if b := <-batches; len(b.Assigned) != 2 {
			t.Fatalf("assigned %v, want both children", b.Assigned)
		}
		moved = true
		if err := s.Ack(t.Context(), nil); err != nil { // there is news
			t.Fatal(err)
		}
		synctest.Wait()
		a.mu.Lock()
		if !slices.Equal(a.kept, children) {
			t.Errorf("kept %q, want %q", a.kept, children)
		}
		a.mu.Unlock()
		a.next <- children
		a.wantReleased(t, "once the children have leases", parent.ID)
		select {
		case b := <-batches:
			t.Errorf("assigned %v, revoked %v, want no change", b.Assigned, b.Revoked)
		default:
		}
	})
}

// polling passes on what Poll returns, until it fails.
func polling(ctx context.Context, s *Source, to chan<- *driver.Batch) {
	for {
		b, err := s.Poll(ctx)
		if err != nil {
			return
		}
		to <- b
	}
}
