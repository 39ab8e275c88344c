package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/deduptest"
	"github.com/onceflow/onceflow/dedup/redis"
	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// shared is one server for the tests that do not harm it.
var shared *servers.Redis

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	os.Exit(code)
}

func client(t testing.TB, s *servers.Redis) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func server(t testing.TB) *goredis.Client {
	c := servertest.Need(t)
	if shared == nil {
		var err error
		if shared, err = servers.StartRedis(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return client(t, shared)
}

var names atomic.Int64

// name is new for each store, so that it is empty.
func name() string { return fmt.Sprint("job", names.Add(1)) }

func TestConformance(t *testing.T) {
	c := server(t)
	for _, o := range []*redis.Options{nil, {Slots: 3, Batch: 100}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			deduptest.Run(t, func(t *testing.T) dedup.Store {
				s, err := redis.Open(t.Context(), c, name(), o)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}, nil)
		})
	}
}

func open(t testing.TB, c goredis.UniversalClient, job string, o *redis.Options) dedup.Table {
	t.Helper()
	s, err := redis.Open(t.Context(), c, job, o)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Open(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var space = dedup.Space{Name: "id", Window: 24 * time.Hour, Bucket: time.Hour}

func claims(from, to int) (c []dedup.Claim) {
	at := time.Now()
	p := &record.Partition{Source: "t", ID: "0"}
	for i := from; i < to; i++ {
		c = append(c, dedup.Claim{ID: dedup.Hash(fmt.Sprint(i)), Time: at, By: dedup.Holder{Partition: p, Position: record.Position{Sub: int64(i + 1)}}})
	}
	return c
}

// others are the claims of other records for the same IDs.
func others(c []dedup.Claim) []dedup.Claim {
	c = slices.Clone(c)
	for i := range c {
		c[i].By.Position.Sub += 1 << 40
	}
	return c
}

func all(won []bool, want bool) bool { return !slices.Contains(won, !want) }

func TestJobsAreKeptApartByName(t *testing.T) {
	c, n := server(t), name()
	for i, job := range []string{n, n + ":id", n + "}", n + "/"} {
		h, won := open(t, c, job, nil), make([]bool, 10)
		mine := claims(100*i, 100*i+10)
		copy(mine[5:], claims(0, 5)) // IDs that the first job has
		for j := range mine {
			mine[j].By.Position.Sub += int64(i) << 32
		}
		if err := h.Claim(t.Context(), mine, won); err != nil || !all(won, true) && i > 0 {
			t.Errorf("job %q: won %v, %v; want all", job, won, err)
		}
	}
}

func TestServerThatWasKilledForgotNothing(t *testing.T) {
	s := servertest.Redis(t)
	h, c := open(t, client(t, s), "job", nil), claims(0, 3000)
	won := make([]bool, len(c))
	if err := h.Claim(t.Context(), c, won); err != nil || !all(won, true) {
		t.Fatalf("won all: %v, %v", all(won, true), err)
	}
	s.Process().Kill()
	err := h.Claim(t.Context(), c[:10], won[:10])
	if err == nil || errors.Is(err, dedup.ErrRefused) {
		t.Errorf("without a server: %v, want an error that may pass", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The scripts went with the process; the same claims again are those of the same records.
	if err := h.Claim(t.Context(), c, won); err != nil || !all(won, true) {
		t.Errorf("a record was its own duplicate: won all: %v, %v", all(won, true), err)
	}
	if err := h.Claim(t.Context(), others(c), won); err != nil || !all(won, false) {
		t.Errorf("claims are lost: %v, %v", won, err)
	}
}

func TestLostReplyCostsNoRecord(t *testing.T) {
	// A claim that was made, and whose answer was lost, is made again.
	c := server(t)
	h, in := open(t, c, name(), nil), claims(0, 500)
	won := make([]bool, len(in))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Claim(ctx, in, won); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	for range 2 {
		if err := h.Claim(t.Context(), in, won); err != nil || !all(won, true) {
			t.Errorf("won all: %v, %v", all(won, true), err)
		}
	}
}

func TestClaimsThatMayHaveGoneStopTheJob(t *testing.T) {
	c, job := server(t), name()
	h := open(t, c, job, nil)
	won := make([]bool, 10)
	now := time.Now()
	if err := h.Claim(t.Context(), claims(0, 10), won); err != nil {
		t.Fatal(err)
	}
	// As if they had been made 47 hours ago: the time to live is 48.
	key := "onceflow:{" + job + ":id:0}:buckets"
	for _, b := range c.HKeys(t.Context(), key).Val() {
		c.HSet(t.Context(), key, b, now.Add(-47*time.Hour).Unix())
	}
	err := h.Expire(t.Context(), now.Add(-2*time.Hour))
	if !errors.Is(err, dedup.ErrForgotten) || !strings.Contains(err.Error(), "buckets") {
		t.Errorf("got %v, want ErrForgotten and the key to delete", err)
	}
	s, err := redis.Open(t.Context(), c, job, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), space); !errors.Is(err, dedup.ErrForgotten) {
		t.Errorf("after a restart: %v, want ErrForgotten", err)
	}
	if err := h.Expire(t.Context(), now.Add(2*time.Hour)); err != nil {
		t.Errorf("the old claims are not needed any more: %v", err)
	}
	if _, err := s.Open(t.Context(), space); err != nil {
		t.Errorf("after they were let go: %v", err)
	}
}

func TestTimeToLiveMustExceedTheWindow(t *testing.T) {
	s, err := redis.Open(t.Context(), server(t), name(), &redis.Options{TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), space); !errors.Is(err, dedup.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

func TestOptionsReportAllFaults(t *testing.T) {
	_, err := redis.Open(t.Context(), nil, "", &redis.Options{TTL: -1, Batch: -1})
	for _, want := range []string{"a client is required", "name", "TTL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
}

func TestClosedClientAndWrongPasswordAreFinal(t *testing.T) {
	c := server(t)
	h := open(t, c, name(), nil)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Claim(t.Context(), claims(0, 1), make([]bool, 1)); !errors.Is(err, dedup.ErrRefused) {
		t.Errorf("closed client: %v, want ErrRefused", err)
	}
	const canary = "canary-Xy7-secret"
	wrong := goredis.NewClient(&goredis.Options{Addr: shared.Addr(), Username: "nobody", Password: canary})
	defer wrong.Close()
	if _, err := redis.Open(t.Context(), wrong, name(), nil); !errors.Is(err, dedup.ErrRefused) || strings.Contains(err.Error(), canary) {
		t.Errorf("wrong password: %v, want ErrRefused and no secret", err)
	}
	away := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", Password: canary, MaxRetries: -1})
	defer away.Close()
	if _, err := redis.Open(t.Context(), away, name(), nil); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("no server: %v, want an error and no secret", err)
	}
}

// Two lanes share the store; a crash in one of them changes nothing.
func TestStageOverTwoLanes(t *testing.T) {
	s, err := redis.Open(t.Context(), server(t), name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	id := func(s *string) string { return *s }
	a, b := streamtest.Open(t, dedup.ByID(s, id, nil)), streamtest.Open(t, dedup.ByID(s, id, nil))
	b.Partition(1)
	a.Feed(now, "x")
	a.Fence() // its claim was made, its commit is void
	b.Feed(now, "x")
	b.Feed(now, "y")
	a.Crash()
	a.Feed(now, "y")
	a.Feed(now, "z")
	if !slices.Equal(a.Out, []string{"x", "z"}) || !slices.Equal(b.Out, []string{"y"}) {
		t.Errorf("got %v and %v, want [x z] and [y]", a.Out, b.Out)
	}
}

// 1,000 IDs a call, new and known ones.
func BenchmarkClaim(b *testing.B) {
	c := server(b)
	for _, known := range []bool{false, true} {
		b.Run(fmt.Sprintf("known=%v", known), func(b *testing.B) {
			h, won := open(b, c, name(), nil), make([]bool, 1000)
			n, cpu := 0, serverCPU(b, c)
			for b.Loop() {
				b.StopTimer()
				in := claims(n, n+1000)
				if !known {
					n += 1000
				}
				b.StartTimer()
				if err := h.Claim(b.Context(), in, won); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/id")
			b.ReportMetric((serverCPU(b, c)-cpu)*1e9/float64(b.N)/1000, "server-cpu-ns/id")
			b.ReportMetric(0, "ns/op")
		})
	}
	keys := c.DBSize(b.Context()).Val()
	info := c.Info(b.Context(), "memory").Val()
	for _, line := range strings.Split(info, "\r\n") {
		if used, ok := strings.CutPrefix(line, "used_memory:"); ok {
			b.Logf("%s bytes for %d keys", used, keys)
		}
	}
}

// serverCPU is the server's processor time in seconds, which the load of the machine does not change much.
func serverCPU(b *testing.B, c *goredis.Client) (sum float64) {
	b.Helper()
	for _, line := range strings.Split(c.Info(b.Context(), "cpu").Val(), "\r\n") {
		var v float64
		for _, f := range []string{"used_cpu_sys:%f", "used_cpu_user:%f"} {
			if _, err := fmt.Sscanf(line, f, &v); err == nil {
				sum += v
			}
		}
	}
	return sum
}

// A server that came back empty once let all copies of what it had held pass, without a word, though this process had told it
// of them.
func TestAServerThatLostItsClaimsStopsTheJob(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("another process has begun again: %v", again), func(t *testing.T) {
			s := servertest.Redis(t)
			c := client(t, s)
			h, in := open(t, c, "job", nil), claims(0, 10)
			won := make([]bool, len(in))
			if err := h.Claim(t.Context(), in, won); err != nil {
				t.Fatal(err)
			}
			if err := c.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if again {
				open(t, c, "job", nil)
			}
			if err := h.Claim(t.Context(), others(in), won); !errors.Is(err, dedup.ErrForgotten) || !strings.Contains(err.Error(), "mark") {
				t.Errorf("got %v, want ErrForgotten and the key that is gone", err)
			}
			h = open(t, c, "job", nil)
			if err := h.Claim(t.Context(), in, won); err != nil || !all(won, true) {
				t.Errorf("after a new start: won %v, %v", won, err)
			}
		})
	}
}

// A server without an append-only file was found out when it had forgotten.
func TestOpenTellsOfAServerThatForgets(t *testing.T) {
	s := servertest.Redis(t)
	c := client(t, s)
	logged := func() string {
		var b strings.Builder
		o := &redis.Options{Logger: slog.New(slog.NewTextHandler(&b, nil))}
		if _, err := redis.Open(t.Context(), c, "job", o); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := logged(); got != "" {
		t.Errorf("of a server as it should be: %s", got)
	}
	for key, set := range map[string]string{"appendonly": "no", "maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"} {
		if err := c.ConfigSet(t.Context(), key, set).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got := logged(); !strings.Contains(got, "append-only file") || !strings.Contains(got, "noeviction") || strings.Count(got, "WARN") != 2 {
		t.Errorf("got %q, want that it keeps no file and evicts", got)
	}
}
