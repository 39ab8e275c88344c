package servers_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
)

func TestPortsOfTwoCachesInOneFolderDiffer(t *testing.T) {
	t.Setenv("ONCEFLOW_CACHE", t.TempDir())
	seen := map[int]bool{}
	for range 2 {
		c, err := servers.Open()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			p, err := c.Port(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen[p] {
				t.Errorf("port %d was given twice", p)
			}
			seen[p] = true
		}
	}
}

func TestKafkaComesBackAfterSIGKILLAndStopLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	k := servertest.Kafka(t, &servers.KafkaOptions{Brokers: 3, Dir: dir})
	if n := len(k.Brokers()); n != 3 {
		t.Fatalf("got %d brokers, want 3", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k.Kill(1)
	if k.Process(1).Alive() {
		t.Fatal("broker is alive after Kill")
	}
	if err := k.Restart(ctx, 1); err != nil {
		t.Fatal(err)
	}
	var procs []*servers.Process
	for i := range 3 {
		procs = append(procs, k.Process(i))
	}
	k.Stop()
	for _, p := range procs {
		if p.Alive() {
			t.Errorf("pid %d is alive after Stop", p.PID())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	c := servertest.Need(t)
	_, err := servers.StartKafka(t.Context(), c, &servers.KafkaOptions{Properties: map[string]string{"broker.rack": "r", "log.dirs": os.DevNull}})
	if err == nil {
		t.Fatal("a broker without a folder for its log started")
	}
	t.Logf("said: %.300s", err)
}

func TestEachServerStartsServesAndStops(t *testing.T) {
	minio, local, lite, proxy := servertest.MinIO(t), servertest.KinesisLocal(t), servertest.Kinesalite(t), servertest.Toxiproxy(t)
	for _, p := range []*servers.Process{minio.Process(), local.Process, lite.Process, proxy.Process} {
		if !p.Alive() {
			t.Errorf("pid %d is not alive", p.PID())
		}
	}
	minio.Stop()
	local.Stop()
	lite.Stop()
	proxy.Stop()
	for _, p := range []*servers.Process{minio.Process(), local.Process, lite.Process, proxy.Process} {
		if p.Alive() {
			t.Errorf("pid %d is alive after Stop", p.PID())
		}
	}
}
