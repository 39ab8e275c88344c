package pebble_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/deduptest"
	"github.com/onceflow/onceflow/dedup/pebble"
)

const childEnv = "ONCEFLOW_PEBBLE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func open(t testing.TB, dir string, o *pebble.Options) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	for _, o := range []*pebble.Options{nil, {Volatile: true, Memory: 8 << 20}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			deduptest.Run(t, func(t *testing.T) dedup.Store { return open(t, t.TempDir(), o) }, &deduptest.Options{NoHolders: true})
		})
	}
}

var space = dedup.Space{Name: "id", Lane: "t/0", Window: 24 * time.Hour, Bucket: time.Hour}

var t0 = time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)

// claim is one of ID n.
func claim(n uint64, at time.Time) dedup.Claim {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return dedup.Claim{ID: dedup.Hash(string(b[:])), Time: at}
}

func batch(from, n int, at time.Time) (c []dedup.Claim) {
	for i := range n {
		c = append(c, claim(uint64(from+i), at))
	}
	return c
}

// child claims batch after batch and says so, until it is killed.
func child(dir string) {
	s, err := pebble.Open(dir, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	h, err := s.Open(context.Background(), space)
	for n := 0; err == nil; n += 100 {
		if err = h.Claim(context.Background(), batch(n, 100, t0), make([]bool, 100)); err == nil {
			fmt.Println(n + 100)
		}
	}
	fmt.Println(err)
}

func TestClaimsAreOnDiskWhenTheProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	claimed := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Error(lines.Text())
			break
		}
		if claimed = n; n >= 3000 {
			if err := cmd.Process.Kill(); err != nil { // what it wrote before still comes
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	db, err := cockroach.Open(dir, &cockroach.Options{Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[dedup.ID]bool{}
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		keys[dedup.ID(it.Key()[12:])] = true
	}
	if err := errors.Join(it.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range claimed {
		if !keys[claim(uint64(i), t0).ID] {
			t.Fatalf("claim %d of %d is lost", i, claimed)
		}
	}
	// The records are read again, by a process with a new table: none is its own duplicate, and the refill brings back
	// those that were committed.
	s := open(t, dir, nil)
	h, err := s.Open(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	won := make([]bool, 100)
	if err := h.(dedup.Refiller).Refill(t.Context(), batch(0, 100, t0), won); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[int]bool{0: false, 100: true, 2900: true} {
		if err := h.Claim(t.Context(), batch(from, 100, t0), won); err != nil || won[0] != want || won[99] != want {
			t.Errorf("IDs from %d: won %v, %v; want %v", from, won[0], err, want)
		}
	}
}

type silent struct{}

func (silent) Infof(string, ...any)              {}
func (silent) Errorf(string, ...any)             {}
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestFolderServesOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	if _, err := pebble.Open(dir, nil); !errors.Is(err, dedup.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

func TestExpiredBucketsGiveTheirDiskBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, &pebble.Options{Memory: 8 << 20, Volatile: true})
	h, err := s.Open(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	won := make([]bool, 2000)
	for hour := range 100 {
		at := t0.Add(time.Duration(hour) * time.Hour)
		for i := range 5 {
			if err := h.Claim(t.Context(), batch(hour*10_000+i*2000, 2000, at), won); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Expire(t.Context(), at.Add(-3*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			size += info.Size()
		}
	}
	t.Logf("%d bytes on disk for %d live IDs", size, 40_000)
	if size > 1_000_000*28 {
		t.Errorf("%d bytes on disk: as much as all IDs ever claimed", size)
	}
}

// The cost of a new and of a known ID among n; 30 million with ONCEFLOW_LONG.
func BenchmarkClaim(b *testing.B) {
	n := 1_000_000
	if os.Getenv("ONCEFLOW_LONG") != "" {
		n = 30_000_000
	}
	for _, volatile := range []bool{true, false} {
		b.Run(fmt.Sprintf("ids=%d/volatile=%v", n, volatile), func(b *testing.B) {
			s := open(b, b.TempDir(), &pebble.Options{Volatile: volatile, Memory: 256 << 20})
			h, err := s.Open(b.Context(), space)
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			const size = 4096
			won := make([]bool, size)
			b.ResetTimer()
			cpu := cpuTime(b)
			for b.Loop() {
				for i := 0; i < n; i += size {
					at := t0.Add(time.Duration(int64(i)*24/int64(n)) * time.Hour)
					if err := h.Claim(b.Context(), batch(i, size, at), won); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/float64(b.N), "ns/new-id")
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(n)/float64(b.N), "cpu-ns/new-id")
			begun, known := time.Now(), 0
			cpu = cpuTime(b)
			for i := 0; i < n; i += n / 64 {
				if err := h.Claim(b.Context(), batch(i, size, t0.Add(23*time.Hour)), won); err != nil {
					b.Fatal(err)
				}
				known += size
			}
			b.ReportMetric(float64(time.Since(begun).Nanoseconds())/float64(known), "ns/known-id")
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(known), "cpu-ns/known-id")
			b.ReportMetric(0, "ns/op")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-Go")
			if status, err := os.ReadFile("/proc/self/status"); err == nil {
				var rss float64
				for _, line := range strings.Split(string(status), "\n") {
					if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &rss); err == nil {
						b.ReportMetric(rss/1024, "MiB-peak")
					}
				}
			}
		})
	}
}

// cpuTime is what the process has used, compactions too. Other load on the machine changes it little.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
