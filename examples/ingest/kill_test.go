package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/dynamodb"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

var program string

func TestMain(m *testing.M) {
	if what := os.Getenv(serveVariable); what != "" {
		if err := serveInstead(what, "."); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	_ = flag.Set("test.parallel", "8") // tests that are parallel wait for deadlines, servers and kills, and hardly compute
	os.Exit(shared.RunWith(m, &program))
}

func number(t *testing.T, variable string, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rig is the three processes, each of which is begun again when it has died.
type rig struct {
	t      *testing.T
	dir    string
	args   []string
	env    []string
	ending chan struct{}
	work   sync.WaitGroup

	mu   sync.Mutex
	proc map[string]*exec.Cmd
	logs map[string]*bytes.Buffer
}

var roles = []string{"endpoint", "job", "auditor"}

func start(t *testing.T, dir string, env []string, args ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, args: append(args, "-out", dir), env: env, ending: make(chan struct{}), proc: map[string]*exec.Cmd{}, logs: map[string]*bytes.Buffer{}}
	for _, role := range roles {
		r.logs[role] = &bytes.Buffer{}
	}
	for _, role := range roles {
		r.work.Go(func() { r.keep(role) })
	}
	return r
}

// keep runs a process again and again.
func (r *rig) keep(role string) {
	for {
		cmd := exec.Command(program, append([]string{"-role", role}, r.args...)...)
		cmd.Env = append(os.Environ(), r.env...)
		cmd.Stdout, cmd.Stderr = r.logs[role], r.logs[role]
		r.mu.Lock()
		select {
		case <-r.ending:
			r.mu.Unlock()
			return
		default:
		}
		err := cmd.Start()
		r.proc[role] = cmd
		r.mu.Unlock()
		if err != nil {
			r.t.Error(err)
			return
		}
		err = cmd.Wait()
		select {
		case <-r.ending:
			if err != nil {
				r.t.Errorf("the %s ended with %v:\n%s", role, err, tail(r.logs[role]))
			}
			return
		default:
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			r.t.Errorf("the %s ended by itself with %v:\n%s", role, err, tail(r.logs[role]))
			return
		}
	}
}

func tail(b *bytes.Buffer) string {
	text := b.Bytes()
	return string(text[max(0, len(text)-3000):])
}

func (r *rig) kill(role string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.proc[role]; p != nil {
		_ = p.Process.Kill() // it may have ended
	}
}

// end ends all, gracefully.
func (r *rig) end() {
	r.mu.Lock()
	close(r.ending)
	for _, p := range r.proc {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	r.mu.Unlock()
	r.work.Wait()
}

// port is one that nobody listens on.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// complete waits until the auditor has said that all batches that are registered are complete.
func (r *rig) complete(registered func() int64) *audit.Report {
	r.t.Helper()
	begun := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var report audit.Report
		text, err := os.ReadFile(filepath.Join(r.dir, "report.json"))
		if err == nil {
			err = json.Unmarshal(text, &report)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.t.Fatal(err)
		}
		if report.At.After(begun) && report.Complete() && report.Sum.Batches == registered() {
			return &report
		}
		select {
		case <-tick.C:
		case <-r.t.Context().Done():
			r.t.Fatalf("not all is complete: %s", progress(&report))
		}
	}
}

// trial is one in which batches are lost, doubled, cut and delayed on their way, and endpoint, job and auditor are killed again and
// again. In the end all that clients were told is accepted is in the output once, and the audit says so.
type trial struct {
	requests, kills int
	deadline        time.Duration
	args, env       []string
	registered      func(sink.Store) int64
}

const trialLines = 20 // of a request, and of a batch

func (c *trial) run(t *testing.T) (dir string, store sink.Store) {
	t.Helper()
	dir = t.TempDir()
	at := port(t)
	args := []string{"-listen", at, "-batch", strconv.Itoa(trialLines), "-deadline", c.deadline.String(), "-commit", "300ms", "-lose", "0.1", "-double", "0.05", "-part", "0.05", "-delay", "0.02"}
	r := start(t, dir, c.env, append(args, c.args...)...)
	acked, err := os.Create(filepath.Join(dir, "acked.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer acked.Close()
	lasts := time.Duration(c.kills) * 1200 * time.Millisecond // the last kills are for the repairs
	pace := time.NewTicker(max(time.Microsecond, lasts/time.Duration(c.requests)))
	defer pace.Stop()
	traffic := &traffic{url: "http://" + at + "/events", events: c.requests * trialLines, lines: trialLines, acked: acked, pace: pace.C}
	var work sync.WaitGroup
	work.Go(func() {
		if err := traffic.run(t.Context(), 16); err != nil {
			t.Error(err)
		}
	})
	work.Go(func() {
		for i := range c.kills {
			select {
			case <-time.After(500*time.Millisecond + rand.N(2*time.Second)):
			case <-t.Context().Done():
				return
			}
			r.kill(roles[i%len(roles)])
		}
	})
	work.Wait()
	if store, err = sinkfile.Open(filepath.Join(dir, "bucket"), nil); err != nil {
		t.Fatal(err)
	}
	report := r.complete(func() int64 { return c.registered(store) })
	r.end()
	same, err := compare(t.Context(), store, filepath.Join(dir, "acked.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills; %s\n%s; clients sent %d requests again", c.kills, progress(report), same, traffic.retries.Load())
	if !same.same() || same.acked != c.requests*trialLines {
		t.Errorf("%s, want %d", same, c.requests*trialLines)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "run", "../verify", filepath.Join(dir, "bucket")).CombinedOutput(); err != nil {
		t.Errorf("the checker says %v:\n%s", err, out)
	}
	return dir, store
}

// Also no line is sent again that had come.
func TestEveryAcceptedLineIsInTheOutputOnceThoughAllAreKilled(t *testing.T) {
	t.Parallel()
	c := &trial{requests: number(t, "ONCEFLOW_INGEST_BATCHES", 200), kills: number(t, "ONCEFLOW_KILLS", 6), deadline: 4 * time.Second}
	c.registered = func(store sink.Store) int64 { return count(t, store, "_audit/"+source+"/registry/") }
	dir, store := c.run(t)
	resent, needless := sentAgain(t, store, filepath.Join(dir, "topic"), c.deadline)
	t.Logf("%d lines were sent again, %d of them needlessly", resent, needless)
	if resent == 0 || needless > 0 {
		t.Errorf("%d lines were sent again, %d of them though they had come", resent, needless)
	}
}

// The same on a broker and a table.
func TestEveryAcceptedLineIsInTheOutputOnceThoughAllAreKilledOnKafka(t *testing.T) {
	t.Parallel()
	k, d := shared.Kafka(t), shared.DynamoDB(t)
	client := service.New(service.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(d.Endpoint()), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	const table = "of-kills"
	c := &trial{
		requests: 100, kills: 6, deadline: 6 * time.Second, env: amazonEnv,
		args: []string{"-kafka", strings.Join(k.Brokers(), ","), "-topic", table, "-dynamodb", d.Endpoint(), "-table", table},
	}
	c.registered = func(sink.Store) (n int64) {
		g, err := dynamodb.Open(t.Context(), client, table, source, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range g.List(t.Context(), time.Now().Add(-2*time.Hour), time.Now().Add(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	c.run(t)
}

func count(t *testing.T, store sink.Store, prefix string) (n int64) {
	t.Helper()
	for _, err := range store.List(t.Context(), prefix, "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// sentAgain counts in a topic the lines that auditors have sent, and those of them that were there before: in time for the attempt to
// know it. The topic is read with nothing of the library but marks.
func sentAgain(t *testing.T, store sink.Store, topic string, deadline time.Duration) (resent, needless int) {
	t.Helper()
	attempts := attempts(t, store)
	type copied struct {
		at  time.Time
		tag string
	}
	for p := range partitions {
		f, err := os.Open(filepath.Join(topic, partitionFile(p)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		there := map[audit.Mark][]copied{}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			at, value := cutTime(lines.Bytes())
			mark, _, ok := audit.CutPrefix(value)
			if !ok || at.IsZero() || len(value) > 0 && value[len(value)-1] == tornEnd {
				continue
			}
			_, tag, _ := strings.Cut(strings.Fields(lines.Text())[0], "-")
			if strings.HasPrefix(tag, "auditor") {
				resent++
				for _, c := range there[mark] {
					since := mark.ID.Time() // when its sender began
					for _, a := range attempts[mark.ID] {
						if strings.HasPrefix(c.tag, "auditor") && !a.After(c.at) && a.After(since) {
							since = a
						}
					}
					if c.tag != tag && c.at.Before(since.Add(deadline)) {
						needless++
						t.Logf("line %v was added at %s by %s, and again at %s by %s", mark, c.at, c.tag, at, tag)
					}
				}
			}
			there[mark] = append(there[mark], copied{at, tag})
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return resent, needless
}

// attempts are when auditors began to send a batch again.
func attempts(t *testing.T, store sink.Store) map[audit.ID][]time.Time {
	t.Helper()
	all := map[audit.ID][]time.Time{}
	for o, err := range store.List(context.Background(), "_audit/"+source+"/repairs/", "") {
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(o.Key)
		id, err := audit.ParseID(name[:26])
		if err != nil || strings.HasSuffix(name, "-late") || strings.HasSuffix(name, "-sent") {
			continue
		}
		body, err := store.Read(t.Context(), o.Key, 1000)
		if err != nil {
			t.Fatal(err)
		}
		var a struct{ At time.Time }
		if err := json.Unmarshal(body, &a); err != nil {
			t.Fatal(err)
		}
		all[id] = append(all[id], a.At)
	}
	return all
}
