package azure

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
	"github.com/onceflow/onceflow/stream/record"
)

// row is an event: its number and its time, two seconds after one another.
type row struct {
	N  int
	At time.Time
}

func rowOf(n int) row {
	return row{n, time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC).Add(time.Duration(n) * 2 * time.Second)}
}

// write makes a file with the records from one number up to another.
func write(t *testing.T, name string, from, to int) {
	t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%d %s\n", i, rowOf(i).At.Format(time.RFC3339))
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// run is a job that writes the records of a folder to a store, until all is there.
func run(ctx context.Context, store driver.Store, in string, o *stream.Options) error {
	src, err := file.Open(file.Config{Dir: in}, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	rows := stream.Via(stream.From(src), stream.Decode(func(r *record.Record) (x row, err error) {
		n, at, _ := strings.Cut(string(r.Value), " ")
		if _, err = fmt.Sscan(n, &x.N); err == nil {
			x.At, err = time.Parse(time.RFC3339, at)
		}
		return x, err
	}, func(x *row) time.Time { return x.At }))
	out, err := sink.Open(ctx, store, "job", []sink.Flow[row]{{Name: "rows", Format: format.JSONLines[row]()}}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, rows, seal.Hourly(out, nil), o)
}

// wantRows checks that each of n records is in the published files once, and that no hour waits for its seal.
func wantRows(t *testing.T, s *Store, n int) {
	t.Helper()
	seen := map[int]int{}
	seals := 0
	for o, err := range s.List(t.Context(), "rows/", "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(o.Key, "/_SEALED") {
			seals++
			continue
		}
		r, err := s.Open(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var i int
			if _, err := fmt.Sscanf(lines.Text(), `{"N":%d,`, &i); err != nil {
				t.Fatalf("%s: row %q: %v", o.Key, lines.Text(), err)
			}
			seen[i]++
		}
		r.Close()
	}
	for i := range n {
		if seen[i] != 1 {
			t.Errorf("row %d is there %d times", i, seen[i])
		}
	}
	if want := (n + 1799) / 1800; len(seen) != n || seals != want {
		t.Errorf("%d rows and %d sealed hours, want %d and %d", len(seen), seals, n, want)
	}
}

// What a whole job costs: three requests for a file, at most four for a commit. Each hour has its manifest and its seal on top.
func TestAJobWritesEachRowOnceWithFewRequests(t *testing.T) {
	s, f := inContainer(t, Options{Prefix: "team/", Timeout: 10 * time.Minute}, nil) // a request that is tried again would be counted
	in := t.TempDir()
	const rows = 30_000
	write(t, in+"/a.txt", 0, rows)
	if err := run(t.Context(), s, in, &stream.Options{CommitEvery: 20 * time.Millisecond, Memory: 1 << 20}); err != nil {
		t.Fatal(err)
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
	calls := map[string]int{}
	for _, op := range f.all() {
		calls[op]++
	}
	t.Logf("%d commits of %d files in %d hours: %v", commits, files, hours, calls)
	if calls["Copy"] > files+2 || calls["Delete"] > files+2 { // one file is a probe
		t.Errorf("%d copies and %d deletions for %d files", calls["Copy"], calls["Delete"], files)
	}
	if rest, most := calls["PutBlob"]-files+calls["Get"]+calls["Look"], 4*commits+3*hours+20; rest > most {
		t.Errorf("%d other requests for %d commits and %d hours, want at most %d", rest, commits, hours, most)
	}
	if hours != 17 || files < hours { // how many commits there were depends on the machine
		t.Errorf("%d files in %d hours show nothing", files, hours)
	}
	if calls["List"] > 14 {
		t.Errorf("%d listings, want those of the start only", calls["List"])
	}
	wantRows(t, s, rows)
	wantNoStaging(t, s)
}

// A process dies while it ends its staged files. Others find and delete what it leaves once they have its lanes.
func TestStagingOfADeadProcessIsSwept(t *testing.T) {
	at := newContainer(t, shared.Azurite(t).Endpoint())
	s := open(t, at, &Options{})
	in := t.TempDir()
	write(t, filepath.Join(in, "a.txt"), 0, 1000)
	faulty := sinktest.NewFaulty(s, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpClose && strings.HasPrefix(c.Key, "rows/") {
			return sinktest.ApplyThenCrash
		}
		return sinktest.Pass
	})
	if err := run(t.Context(), faulty, in, nil); !errors.Is(err, sinktest.ErrCrashed) {
		t.Fatalf("the first process: %v, want a crash", err)
	}
	n := 0
	for _, err := range s.Staged(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		t.Fatal("the crash left nothing, so this tests nothing")
	}
	for range 2 { // the second sweeps when it starts
		if err := run(t.Context(), open(t, at, &Options{}), in, nil); err != nil {
			t.Fatal(err)
		}
	}
	wantNoStaging(t, s)
	wantRows(t, s, 1000)
}

// Processes of one job are killed with SIGKILL at requests of a file's life, which the service never gets, or gets and does. The
// last one ends the job: each row is there once, and nothing is left in staging.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	const rows = 4000
	f := newFront(t)
	at := newContainer(t, f.URL+"/"+servers.AzuriteAccount)
	in := t.TempDir()
	write(t, filepath.Join(in, "a.txt"), 0, 1800) // an hour, by a process that lives
	if child(t, f, at, in, "", false) {
		t.Fatal("a process was killed by nobody")
	}
	write(t, filepath.Join(in, "b.txt"), 1800, rows)
	for _, kill := range []struct {
		op    string
		after bool
	}{{"PutBlock", false}, {"PutBlock", true}, {"PutBlockList", false}, {"PutBlockList", true}, {"Copy", true}, {"Delete", false}} {
		if !child(t, f, at, in, kill.op, kill.after) {
			t.Errorf("a process ended before its first %s, which shows nothing", kill.op)
		}
	}
	for range 2 { // the second sweeps when it starts
		if child(t, f, at, in, "", false) {
			t.Fatal("a process was killed by nobody")
		}
	}
	s := open(t, at, &Options{})
	wantRows(t, s, rows)
	wantNoStaging(t, s)
}

// child runs a process, kills it at its first request of a kind, and says whether there was one.
func child(t *testing.T, f *front, at, in, op string, carriedOut bool) (killed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "AZURE_TEST_CONTAINER="+at, "AZURE_TEST_IN="+in)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	started := make(chan struct{})
	kill := func() {
		<-started
		_ = cmd.Process.Kill()
	}
	f.reset(func(n int, got string) sinktest.Fault {
		if got != op || n > 0 {
			return sinktest.Fault{}
		}
		if carriedOut {
			return sinktest.Fault{Kind: sinktest.HangUp, Then: kill}
		}
		kill()
		return sinktest.Fault{Kind: sinktest.HangUp}
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err := cmd.Wait()
	f.reset(nil)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true
	}
	if err != nil {
		t.Fatalf("a process that nobody killed: %v\n%s", err, out.String())
	}
	return false
}

// writeRows is the main of such a process.
func writeRows(at, in string) error {
	key, err := container.NewSharedKeyCredential(servers.AzuriteAccount, servers.AzuriteKey)
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := Open(ctx, at, &Options{SharedKey: key, BlockBytes: 2000})
	if err != nil {
		return err
	}
	return run(ctx, s, in, nil)
}

// uncommitted lists all blobs below the staging folder, also those that are blocks without a list.
func uncommitted(t *testing.T, s *Store) (names []string) {
	t.Helper()
	for item, err := range s.box.items(t.Context(), s.box.staging(), "", container.ListBlobsInclude{UncommittedBlobs: true}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, *item.Name)
	}
	return names
}
