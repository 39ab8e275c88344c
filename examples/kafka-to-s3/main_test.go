package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/onceflow/onceflow/examples/internal/kafkajob/jobtest"
)

// A process that reads Kafka is killed in the middle, several times. Every record is in the files once, and the
// independent checker finds nothing.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	jobtest.Kill(t, jobtest.Output{Args: []string{"-dir", dir}, Verify: []string{dir},
		Files: func(t *testing.T, flow string, read func(string, io.Reader)) {
			names, err := filepath.Glob(filepath.Join(dir, flow, "day=*", "hour=*", "*.jsonl.zst"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				read(name, f)
				f.Close()
			}
		}})
}

func TestFlagsThatMissSomethingAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"-topics", "a"}, {"-topics", "a", "-dir", "x", "-bucket", "y"}, {"-topics", "^a", "-dir", "x"}, {"-codec", "rar", "-topics", "a", "-dir", "x"}} {
		if err := run(t.Context(), args, io.Discard); err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: got %v", args, err)
		}
	}
}
