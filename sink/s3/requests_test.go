package s3

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
)

// What a whole job costs, counted between it and the server: four requests for a file, at most four for a commit, and no
// listing but at the start. Each hour has its manifest and its seal on top.
func TestRequestsOfAWholeJob(t *testing.T) {
	s, f := inBucket(t, Options{}, nil)
	in := t.TempDir()
	for i := range 20 {
		write(t, filepath.Join(in, fmt.Sprintf("%02d.txt", i)), 20_000, 200*time.Millisecond)
	}
	if err := run(t, s, in, &stream.Options{CommitEvery: 20 * time.Millisecond, Memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, op := range f.all() {
		calls[op]++
	}
	files, commits, hours := 0, 0, 0
	for o, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(o.Key, "/manifests/"):
			commits++
		case strings.HasSuffix(o.Key, "/_SEALED"):
			hours++
		case strings.HasPrefix(o.Key, "rows/"):
			files++
		}
	}
	t.Logf("%d commits of %d files in %d hours: %v", commits, files, hours, calls)
	if commits < 5 || hours != 2 {
		t.Fatalf("%d commits and %d hours show nothing", commits, hours)
	}
	const start = 20 // requests of opening and closing a job, whatever it writes; one file is a probe
	for _, op := range []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"} {
		if calls[op] > files+4 { // the probe has three parts
			t.Errorf("%d requests %s for %d files, want one for each", calls[op], op, files)
		}
	}
	rest := calls["PutObject"] + calls["GetObject"] + calls["Bucket"]
	if most := 4*commits + 3*hours + start; rest > most {
		t.Errorf("%d other requests for %d commits and %d hours, want at most %d", rest, commits, hours, most)
	}
	if calls["List"] > 12 { // what may be lost, the last snapshot, leftovers, and a sweep: none for a commit
		t.Errorf("%d listings, want those of the start only", calls["List"])
	}
}
