package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/zstd"

	"github.com/onceflow/onceflow/internal/servers/servertest"
)

var shared servertest.Shared

func TestMain(m *testing.M) { shared.Main(m) }

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

func build(t *testing.T, pkg string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", name, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return name
}

// seen counts the ids in the visible files of a flow, with nothing of ours.
func seen(t *testing.T, dir, flow string) map[string]int {
	t.Helper()
	ids := map[string]int{}
	names, err := filepath.Glob(filepath.Join(dir, flow, "day=*", "hour=*", "*.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for sc := bufio.NewScanner(z); sc.Scan(); {
			var row struct{ ID string }
			if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			ids[row.ID]++
		}
		z.Close()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// produce writes n records to each topic, some a second late, over about d, and then closes done.
func produce(t *testing.T, brokers, topics []string, n int, d time.Duration) (done chan struct{}) {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.RequiredAcks, c.Producer.Return.Successes = sarama.WaitForAll, true
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	for _, topic := range topics {
		if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1}, false); err != nil {
			t.Fatal(err)
		}
	}
	p, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		const batch = 200
		for i := 0; i < n; i += batch {
			var ms []*sarama.ProducerMessage
			for _, topic := range topics {
				for j := i; j < min(n, i+batch); j++ {
					at := time.Now().Add(-time.Duration(j%3) * time.Second).Format(time.RFC3339Nano)
					ms = append(ms, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(j)),
						Value: sarama.StringEncoder(fmt.Sprintf(`{"id":"%s-%d","at":%q}`, topic, j, at))})
				}
			}
			if err := p.SendMessages(ms); err != nil {
				t.Errorf("produce: %v", err)
				return
			}
			<-time.After(d * batch / time.Duration(n)) // the pace of a producer
		}
	}()
	return done
}

// A process that reads Kafka is killed in the middle, several times. Every record is in the files once, and the
// independent checker finds nothing.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	k := shared.Kafka(t)
	program, checker := build(t, "."), build(t, "../verify")
	const n = 20_000
	topics := []string{fmt.Sprintf("a%d", time.Now().UnixNano()), fmt.Sprintf("b%d", time.Now().UnixNano())}
	dir := filepath.Join(t.TempDir(), "out")
	produced := produce(t, k.Brokers(), topics, n, 8*time.Second)
	var log syncBuffer
	start := func() *exec.Cmd {
		cmd := exec.Command(program, "-brokers", strings.Join(k.Brokers(), ","), "-topics", strings.Join(topics, ","), "-dir", dir,
			"-job", "job-"+topics[0], "-time", "at", "-commit", "300ms", "-session", "1s", "-lateness", "10s")
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	rows := func() int { return len(seen(t, dir, topics[0])) + len(seen(t, dir, topics[1])) }
	procs := []*exec.Cmd{start(), start()}
	for i := range 4 {
		before := rows()
		if !soon(t, 60*time.Second, func() bool { got := rows(); return got > before || got == 2*n }) {
			t.Errorf("nothing was written before kill %d\n%s", i, log.String())
			break
		}
		victim := i % 2
		_ = procs[victim].Process.Kill()
		_ = procs[victim].Wait()
		procs[victim] = start()
	}
	<-produced
	if !soon(t, 60*time.Second, func() bool { return rows() == 2*n }) {
		t.Errorf("%d of %d records are there\n%s", rows(), 2*n, log.String())
	}
	for _, p := range procs {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range procs {
		if err := p.Wait(); err != nil {
			t.Errorf("a process that was told to end: %v", err)
		}
	}
	for _, topic := range topics {
		ids := seen(t, dir, topic)
		for i := range n {
			if c := ids[fmt.Sprintf("%s-%d", topic, i)]; c != 1 {
				t.Errorf("record %d of %s is there %d times", i, topic, c)
				break
			}
		}
		if len(ids) != n {
			t.Errorf("%s has %d records, want %d", topic, len(ids), n)
		}
	}
	if out, err := exec.Command(checker, dir).CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if t.Failed() || testing.Verbose() {
		t.Log(log.String())
	}
}

func TestFlagsThatMissSomethingAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"-topics", "a"}, {"-topics", "a", "-dir", "x", "-bucket", "y"}, {"-topics", "^a", "-dir", "x"}, {"-codec", "rar", "-topics", "a", "-dir", "x"}} {
		if err := run(t.Context(), args, io.Discard); err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: got %v", args, err)
		}
	}
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
