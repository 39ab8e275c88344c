package s3

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/onceflow/onceflow/sink/sinktest"
)

// Each file once took a request for the deletion of what it was copied from: 4 for a small file.
func TestDeletionsThatComeAtOnceShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deletions
		var sent [][]string
		gate := make(chan struct{})
		send := func(names []string) {
			sent = append(sent, slices.Clone(names)) // one at a time, or the race detector says so
			<-gate
		}
		var wg sync.WaitGroup
		begin := func(name string) {
			wg.Go(func() { d.add(t.Context(), name, send) })
			synctest.Wait()
		}
		begin("a")
		for i := range 30 {
			begin(fmt.Sprint(i))
		}
		gate <- struct{}{}
		synctest.Wait()
		begin("late") // the second is under way
		gate <- struct{}{}
		synctest.Wait()
		gate <- struct{}{}
		wg.Wait()
		if len(sent) != 3 || len(sent[0]) != 1 || len(sent[1]) != 30 || !slices.Equal(sent[2], []string{"late"}) {
			t.Errorf("requests for %v, want one for a, one for the 30 that came meanwhile, and one for late", sent)
		}
		if d.busy || d.next != nil {
			t.Error("a request is thought to be under way")
		}
	})
}

// A store without a request for several deletes them one by one, and is asked once only.
func TestStagingIsDeletedWithOneRequestOrOneByOne(t *testing.T) {
	for name, refuse := range map[string]bool{"one request": false, "one by one": true} {
		everywhere(t, func(t *testing.T, p place) {
			if p.staging != stagingObjects {
				return
			}
			s, f := p.inBucket(t, Options{}, func(_ int, op string) sinktest.Fault {
				if refuse && op == "DeleteObjects" {
					return answer(501, "<Error><Code>NotImplemented</Code></Error>")
				}
				return sinktest.Fault{}
			})
			for range 2 {
				var names []string
				for i := range 3 {
					stage(t, s, fmt.Sprintf("own-1-%d", i), []byte("rows"))
				}
				for st, err := range s.Staged(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					names = append(names, st.ID)
				}
				if len(names) != 3 {
					t.Fatalf("%s: staged: %v", name, names)
				}
				s.bucket.deleteAll(t.Context(), names)
				for st := range s.Staged(t.Context()) {
					t.Errorf("%s: left: %+v", name, st)
				}
			}
			n := map[string]int{}
			for _, op := range f.all() {
				n[op]++
			}
			if refuse && (n["DeleteObjects"] != 1 || n["DeleteObject"] != 6) || !refuse && (n["DeleteObjects"] != 2 || n["DeleteObject"] != 0) {
				t.Errorf("%s: %v", name, n)
			}
		})
	}
}
