//go:build unix

package torture

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sync"
	"testing"
	"time"
)

// Lanes go from worker to worker while records come all the time: no record is read twice, and no partition waits long.
func TestAHandOverReplaysNothingAndPausesShortly(t *testing.T) {
	z := newZombieTest(t, "hand-over", shared.Kafka(t), shared.MinIO(t))
	stop, produced := make(chan struct{}), sync.WaitGroup{}
	produced.Go(func() {
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
				if err := z.send(20, openHour()); err != nil {
					t.Errorf("produce: %v", err)
					return
				}
			}
		}
	})
	first := z.start("")
	first.wait("commits 3")
	second := z.start("")
	second.wait("commits 3")
	first.end()
	second.wait("commits 9")
	close(stop)
	produced.Wait()
	z.allThere()
	second.end()
	z.wantOnce()
	read := 0
	for _, w := range []*zombie{first, second} {
		n := 0
		if _, err := fmt.Sscanf(w.wait("read"), "read %d", &n); err != nil || n == 0 {
			t.Errorf("a worker has read %d records: %v", n, err)
		}
		read += n
	}
	if read != z.made {
		t.Errorf("%d records were read, want each of %d once", read, z.made)
	}
	longest := time.Duration(0)
	for name, at := range z.covered() {
		for i := range at[1:] {
			longest = max(longest, at[i+1].Sub(at[i]))
		}
		t.Logf("partition %s is in %d manifests", name, len(at))
	}
	t.Logf("the longest time between two commits of a partition was %v", longest)
	// A pause, not liveness, is what is tested, so it has a bound: two seconds beside the commit interval. Two cores that forty
	// processes wanted took 1.3 s.
	if limit := 2*time.Second + zombieCommit; longest > limit {
		t.Errorf("a partition waited %v for its next commit, want at most %v", longest, limit)
	}
}

// The lanes of a worker that is killed are read on soon after its session has ended.
func TestASuccessorCommitsSoonAfterTheSessionOfAKilledWorker(t *testing.T) {
	z := newZombieTest(t, "killed", shared.Kafka(t), shared.MinIO(t))
	z.produce(5, openHour())
	first := z.start("")
	first.wait("commits 1")
	second := z.start("")
	z.produce(5, openHour())
	z.allThere()
	at := time.Now()
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	z.produce(1, openHour())
	z.allThere()
	took := time.Since(at)
	t.Logf("it took %v", took)
	// So is this: five seconds beside the session, of which such a machine took half.
	if limit := zombieSession + 5*time.Second; took > limit {
		t.Errorf("what came after the kill was readable after %v, want at most %v", took, limit)
	}
	second.end()
	z.wantOnce()
}

// covered returns when manifests of each partition were created.
func (z *zombieTest) covered() map[string][]time.Time {
	z.Helper()
	list, err := z.bucket.list(z.Context(), "_onceflow/job/e0001/manifests/", "")
	if err != nil {
		z.Fatal(err)
	}
	all := map[string][]time.Time{}
	for _, o := range list {
		body, err := z.bucket.get(z.Context(), o.key)
		if err != nil {
			z.Fatal(err)
		}
		var m manifest
		if err := json.Unmarshal(body, &m); err != nil {
			z.Fatal(err)
		}
		for _, p := range m.Partitions {
			name := path.Base(p.Source) + "/" + p.ID
			all[name] = append(all[name], o.at)
		}
	}
	for _, at := range all {
		slices.SortFunc(at, time.Time.Compare)
	}
	if len(all) != zombieParts {
		z.Fatalf("manifests name %d partitions, want %d", len(all), zombieParts)
	}
	return all
}
