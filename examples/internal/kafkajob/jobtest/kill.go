// Package jobtest kills the Kafka examples and looks at what they wrote.
package jobtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// Output is where a job writes to, as others see it.
type Output struct {
	Args   []string // that make the program write there
	Verify []string // arguments for examples/verify

	// Files calls read with each visible file of a flow.
	Files func(t *testing.T, flow string, read func(name string, body io.Reader))
}

const records = 20_000 // of each topic

// Kill lets two processes of the program in the current folder read Kafka, and kills them in turn. Every record must be in
// the files once, and the independent checker must find nothing.
func Kill(t *testing.T, out Output) {
	k := servertest.Kafka(t, nil)
	program, checker := build(t, "."), build(t, "github.com/onceflow/onceflow/examples/verify")
	topics := []string{"hits", "views"}
	produced := produce(t, k.Brokers(), topics, records, 8*time.Second)
	var log syncBuffer
	start := func() *exec.Cmd {
		args := append([]string{"-brokers", strings.Join(k.Brokers(), ","), "-topics", strings.Join(topics, ","), "-job", "job",
			"-time", "at", "-commit", "300ms", "-session", "1s", "-lateness", "10s"}, out.Args...)
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	rows := func() (n int) {
		for _, topic := range topics {
			n += len(seen(t, out, topic))
		}
		return n
	}
	procs := []*exec.Cmd{start(), start()}
	last := procs[1]
	for i := range 4 {
		before := rows()
		if !soon(t, 60*time.Second, func() bool { got := rows(); return got > before || got == 2*records }) {
			t.Errorf("nothing was written before kill %d\n%s", i, log.String())
			break
		}
		victim := i % 2
		_ = procs[victim].Process.Kill()
		_ = procs[victim].Wait()
		last = start()
		procs[victim] = last
	}
	<-produced
	if !soon(t, 60*time.Second, func() bool { return rows() == 2*records }) {
		t.Errorf("%d of %d records are there\n%s", rows(), 2*records, log.String())
	}
	for _, p := range procs {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range procs {
		// On a busy machine the last may be told before it listens, and dies of it. The other has been there for long.
		if err := p.Wait(); err != nil && (p != last || err.Error() != "signal: terminated") {
			t.Errorf("a process that was told to end: %v", err)
		}
	}
	for _, topic := range topics {
		wantOnce(t, topic, seen(t, out, topic))
	}
	if said, err := exec.CommandContext(t.Context(), checker, out.Verify...).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, said)
	}
	if t.Failed() || testing.Verbose() {
		t.Log(log.String())
	}
}

func wantOnce(t *testing.T, topic string, ids map[string]int) {
	t.Helper()
	for i := range records {
		if c := ids[fmt.Sprintf("%s-%d", topic, i)]; c != 1 {
			t.Errorf("record %d of %s is there %d times", i, topic, c)
			break
		}
	}
	if len(ids) != records {
		t.Errorf("%s has %d records, want %d", topic, len(ids), records)
	}
}

// seen counts the ids in the visible files of a flow, with nothing of ours.
func seen(t *testing.T, out Output, flow string) map[string]int {
	t.Helper()
	ids := map[string]int{}
	out.Files(t, flow, func(name string, body io.Reader) {
		z, err := zstd.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		sc := bufio.NewScanner(z)
		for sc.Scan() {
			var row struct{ ID string }
			if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			ids[row.ID]++
		}
		if err := sc.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	})
	return ids
}

func build(t *testing.T, pkg string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", name, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return name
}

// syncBuffer gets what processes print.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// soon looks again and again whether something has come true.
func soon(t *testing.T, limit time.Duration, is func() bool) bool {
	t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for !is() {
		select {
		case <-look.C:
		case <-end.C:
			return false
		}
	}
	return true
}
