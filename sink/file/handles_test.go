package file

import (
	"fmt"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
)

// Uploads close each other's handles while they write.
func TestUploadsThatShareHandlesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, &Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const workers, each = 6, keptHandles / 3
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			ups := make([]driver.Upload, each)
			for part := range 4 {
				for i := range ups {
					if part == 0 {
						var err error
						if ups[i], err = s.Stage(t.Context(), fmt.Sprintf("a/%d/%d", w, i), "o", 0); err != nil {
							t.Error(err)
							return
						}
					}
					if _, err := fmt.Fprintf(ups[i], "%d of %d of %d\n", part, i, w); err != nil {
						t.Error(err)
						return
					}
				}
			}
			for _, up := range ups {
				ref, err := up.Close(t.Context())
				if err == nil {
					err = s.Publish(t.Context(), ref)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	for w := range workers {
		for i := range each {
			want := ""
			for part := range 4 {
				want += fmt.Sprintf("%d of %d of %d\n", part, i, w)
			}
			if got, err := s.Read(t.Context(), fmt.Sprintf("a/%d/%d", w, i), 1000); err != nil || string(got) != want {
				t.Fatalf("file %d of %d: got %q, %v, want %q", i, w, got, err, want)
			}
		}
	}
	if n := s.staging.handles.used.Len(); n != 0 {
		t.Errorf("%d handles are kept of files that are closed", n)
	}
}
