package s3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/record"
)

// A process dies while it ends its staged files, and then the server. What they leave is found by listing and deleted once
// others have its lanes.
func TestUploadsOfADeadProcessAreAborted(t *testing.T) {
	for _, staging := range []string{stagingUploads, stagingObjects} {
		t.Run("versitygw "+staging, func(t *testing.T) {
			v := servertest.Versity(t)
			isSwept(t, place{"versitygw", v.Endpoint(), staging}, v.Process, v.Restart)
		})
	}
	t.Run("MinIO objects", func(t *testing.T) {
		m := servertest.MinIO(t)
		isSwept(t, place{"MinIO", m.Endpoint(), stagingObjects}, m.Process, m.Restart)
	})
}

func isSwept(t *testing.T, p place, server func() *servers.Process, restart func(context.Context) error) {
	open := inNewBucket(t, p)
	in := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(in, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(in, "a.txt"), 100, time.Minute)
	job := func(store driver.Store) error { return run(t, store, in, nil) }
	left := func() (n int) {
		for st, err := range open(t).Staged(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("staged: %s of %s", st.Key, st.Owner)
			n++
		}
		return n
	}
	faulty := sinktest.NewFaulty(open(t), func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpClose && strings.HasPrefix(c.Key, "rows/") {
			return sinktest.ApplyThenCrash
		}
		return sinktest.Pass
	})
	if err := job(faulty); !errors.Is(err, sinktest.ErrCrashed) {
		t.Fatalf("the first process: %v, want a crash", err)
	}
	server().Kill()
	if err := restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left() == 0 {
		t.Fatal("the crash left nothing in staging, so this tests nothing")
	}
	for range 2 { // the second sweeps when it starts
		if err := job(open(t)); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(); n > 0 {
		t.Errorf("%d are left in staging", n)
	}
}

// write makes a file with n records, as much time after one another.
func write(t *testing.T, name string, n int, step time.Duration) {
	t.Helper()
	day := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, day.Add(time.Duration(i)*step).Format(time.RFC3339Nano))
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// run is a job that writes the records of a folder to a store, until all is there.
func run(t *testing.T, store driver.Store, in string, o *stream.Options) error {
	t.Helper()
	return runUntil(t.Context(), store, in, o)
}

func runUntil(ctx context.Context, store driver.Store, in string, o *stream.Options) error {
	src, err := file.Open(file.Config{Dir: in}, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	rows := stream.Via(stream.From(src), stream.Decode(func(r *record.Record) (time.Time, error) {
		return time.Parse(time.RFC3339, string(r.Value))
	}, func(at *time.Time) time.Time { return *at }))
	out, err := sink.Open(ctx, store, "job", []sink.Flow[time.Time]{{Name: "rows", Format: format.JSONLines[time.Time]()}}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, rows, seal.Hourly(out, nil), o)
}
