package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/onceflow/onceflow/examples/internal/kafkajob/jobtest"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// A process that reads Kafka is killed in the middle, several times. Every record is in the bucket once, and the
// independent checker finds nothing. The emulator has objects.move by our reading of the reference: internal/gcsfront.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	g := servertest.GCS(t, nil)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(g.Endpoint(), "http://")) // of the processes too
	client, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	const name = "raw-events"
	bucket := client.Bucket(name)
	if err := bucket.Create(t.Context(), "project", nil); err != nil {
		t.Fatal(err)
	}
	jobtest.Kill(t, jobtest.Output{Args: []string{"-bucket", name}, Verify: []string{"gs://" + name, "-endpoint", g.Endpoint()},
		Files: func(t *testing.T, flow string, read func(string, io.Reader)) {
			for objects := bucket.Objects(t.Context(), &storage.Query{Prefix: flow + "/"}); ; {
				o, err := objects.Next()
				if errors.Is(err, iterator.Done) {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(o.Name, ".jsonl.zst") {
					continue // a seal
				}
				r, err := bucket.Object(o.Name).NewReader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				read(o.Name, r)
				r.Close()
			}
		}})
}

func TestFlagsThatMissSomethingAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"-topics", "a"}, {"-topics", "^a", "-bucket", "x"}, {"-codec", "rar", "-topics", "a", "-bucket", "x"}} {
		if err := run(t.Context(), args, io.Discard); err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: got %v", args, err)
		}
	}
}
