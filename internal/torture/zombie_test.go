//go:build unix

package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/internal/servers"
)

// A worker is stopped at a step of the protocol until its successor has committed, or for $ONCEFLOW_ZOMBIE_STOP longer.
// When it goes on, nothing that is there changes, no row is there twice and none is missing.
func TestAZombieChangesNothing(t *testing.T) {
	k, m := shared.Kafka(t), shared.MinIO(t)
	var longer time.Duration
	if s := os.Getenv("ONCEFLOW_ZOMBIE_STOP"); s != "" {
		var err error
		if longer, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	checker := buildChecker(t)
	t.Run("steps", func(t *testing.T) { // ends when all of them have
		for i, name := range slices.Sorted(maps.Keys(steps)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				z := newZombieTest(t, fmt.Sprintf("zombie-%d", i), k, m)
				z.play(name, longer)
				if out, err := z.verify(checker); err != nil {
					t.Errorf("verify: %v\n%s", err, out)
				}
			})
		}
	})
}

type zombieTest struct {
	*testing.T
	topic   string // and the bucket
	brokers []string
	minio   *servers.MinIO
	bucket  *s3Bucket
	made    int // records
}

const zombieParts = 2

func newZombieTest(t *testing.T, topic string, k *servers.Kafka, m *servers.MinIO) *zombieTest {
	t.Helper()
	runtime.LockOSThread() // its children die with this thread
	z := &zombieTest{T: t, topic: topic, brokers: k.Brokers(), minio: m}
	var err error
	if z.bucket, err = newS3Bucket(z.Context(), m.Endpoint(), servers.MinIOAccessKey, servers.MinIOSecretKey, topic); err != nil {
		z.Fatal(err)
	}
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(z.brokers, c)
	if err != nil {
		z.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: zombieParts, ReplicationFactor: 1}, false); err != nil {
		z.Fatal(err)
	}
	return z
}

// openHour is the start of an hour that no test is there to see the end of: it ends in half an hour or later, and its first half
// hour is less than an hour ahead. Event times from there are never late, whatever the time of the day.
func openHour() time.Time { return time.Now().Add(30 * time.Minute).Truncate(time.Hour) }

// produce writes some records to each partition, a minute of event time after one another.
func (z *zombieTest) produce(n int, at time.Time) {
	z.Helper()
	if err := z.send(n, at); err != nil {
		z.Fatal(err)
	}
}

func (z *zombieTest) send(n int, at time.Time) error {
	p, err := sarama.NewSyncProducer(z.brokers, (&producer{}).config())
	if err != nil {
		return err
	}
	var ms []*sarama.ProducerMessage
	for i := range n {
		for part := range int32(zombieParts) {
			v := value(z.topic, z.made, at.Add(time.Duration(i)*time.Minute))
			ms = append(ms, &sarama.ProducerMessage{Topic: z.topic, Partition: part, Value: sarama.StringEncoder(v)})
			z.made++
		}
	}
	return errors.Join(p.SendMessages(ms), p.Close())
}

// play: the first worker reads some records and stops at the step; the second takes over, and then the first goes on.
func (z *zombieTest) play(step string, longer time.Duration) {
	z.Helper()
	if step == "before close" || step == "before seal" {
		z.produce(180, time.Now().Add(-3*time.Hour)) // hours that can close at once
	} else {
		z.produce(5, openHour()) // none, since a commit into a closed hour is void for another reason
	}
	first := z.start(step)
	first.wait("stopping")
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(first.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		z.Fatalf("the worker did not stop: %v, %v", status, err)
	}
	second := z.start("")
	z.produce(1, openHour().Add(10*time.Minute))
	second.wait("commits 1")
	if longer > 0 {
		<-time.After(longer) // the form that takes a minute
	}
	before := z.objects()
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		z.Fatal(err)
	}
	if _, err := io.WriteString(first.in, "\n"); err != nil {
		z.Fatal(err)
	}
	first.wait("going on")
	z.produce(1, openHour().Add(10*time.Minute))
	z.allThere()
	first.end()
	second.end()
	after := z.objects()
	for key, o := range before {
		if now, ok := after[key]; !ok || now != o {
			z.Errorf("%s was %+v and is %+v", key, o, now)
		}
	}
	z.wantOnce()
}

// allThere waits until each record can be seen. There is no signal for it: the bucket is asked.
func (z *zombieTest) allThere() {
	z.Helper()
	look, end := time.NewTicker(100*time.Millisecond), time.NewTimer(90*time.Second)
	defer look.Stop()
	defer end.Stop()
	for len(z.rows("rows/")) < z.made {
		select {
		case <-look.C:
		case <-end.C:
			z.Fatalf("%d of %d records are there", len(z.rows("rows/")), z.made)
		}
	}
}

func (z *zombieTest) wantOnce() {
	z.Helper()
	rows := z.rows("rows/")
	for n := range z.made {
		if id := fmt.Sprintf("%s:%d", z.topic, n); rows[id] != 1 {
			z.Errorf("%s is there %d times", id, rows[id])
		}
	}
	if late := z.rows("late/"); len(rows) != z.made || len(late) > 0 {
		z.Errorf("%d records of %d, and %d late: want all, and none", len(rows), z.made, len(late))
	}
}

// rows counts the ids in the visible files below prefix.
func (z *zombieTest) rows(prefix string) map[string]int {
	z.Helper()
	ids := map[string]int{}
	objects, err := z.bucket.list(z.Context(), prefix, "")
	if err != nil {
		z.Fatal(err)
	}
	for _, o := range objects {
		body, err := z.bucket.get(z.Context(), o.key)
		if err != nil {
			z.Fatal(err)
		}
		for line := range strings.Lines(string(body)) {
			var r row
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				z.Fatalf("%s: %v", o.key, err)
			}
			ids[r.ID]++
		}
	}
	return ids
}

// objects is all that is there, but for staging.
func (z *zombieTest) objects() map[string]object {
	z.Helper()
	objects, err := z.bucket.list(z.Context(), "", "")
	if err != nil {
		z.Fatal(err)
	}
	all := map[string]object{}
	for _, o := range objects {
		if !strings.HasPrefix(o.key, "_staging/") { // which comes and goes
			all[o.key] = o
		}
	}
	return all
}

func (z *zombieTest) verify(checker string) ([]byte, error) {
	cmd := exec.CommandContext(z.Context(), checker, "s3://"+z.topic, "-endpoint", z.minio.Endpoint())
	cmd.Env = append(os.Environ(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+servers.MinIOAccessKey, "AWS_SECRET_ACCESS_KEY="+servers.MinIOSecretKey)
	return cmd.CombinedOutput()
}

func buildChecker(t *testing.T) string {
	t.Helper()
	name := t.TempDir() + "/verify"
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", name, "github.com/onceflow/onceflow/examples/verify").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// zombie is a worker and what it prints.
type zombie struct {
	z     *zombieTest
	cmd   *exec.Cmd
	in    io.Writer
	lines chan string
	log   strings.Builder
	ended sync.Once
}

func (z *zombieTest) start(step string) *zombie {
	z.Helper()
	spec, err := json.Marshal(workerSpec{z.brokers, z.topic, z.minio.Endpoint(), z.topic, step})
	if err != nil {
		z.Fatal(err)
	}
	w := &zombie{z: z, cmd: exec.CommandContext(z.Context(), os.Args[0]), lines: make(chan string, 1000)}
	w.cmd.Env = append(os.Environ(), "ONCEFLOW_ZOMBIE="+string(spec))
	w.cmd.SysProcAttr = dieWithParent()
	w.cmd.Stderr = &w.log
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		z.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		z.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		z.Fatal(err)
	}
	go func() {
		for sc := bufio.NewScanner(out); sc.Scan(); {
			w.lines <- sc.Text()
		}
		close(w.lines)
	}()
	z.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		w.ended.Do(func() { _ = w.cmd.Wait() })
		if z.Failed() || testing.Verbose() {
			z.Logf("worker %q:\n%s", step, w.log.String())
		}
	})
	return w
}

// wait reads lines until one begins as wanted, and returns it.
func (w *zombie) wait(line string) string {
	w.z.Helper()
	end := time.NewTimer(90 * time.Second)
	defer end.Stop()
	for {
		select {
		case got, ok := <-w.lines:
			if !ok {
				w.z.Fatalf("the worker ended before %q", line)
			}
			if strings.HasPrefix(got, line) {
				return got
			}
		case <-end.C:
			w.z.Fatalf("the worker did not say %q", line)
			return ""
		}
	}
}

// end tells the worker to end, which it does without an error.
func (w *zombie) end() {
	w.z.Helper()
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	w.ended.Do(func() {
		if err := w.cmd.Wait(); err != nil {
			w.z.Errorf("a worker that was told to end: %v", err)
		}
	})
}
