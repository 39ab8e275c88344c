package redis_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/delivery/keyvalue"
	"github.com/onceflow/onceflow/sink/delivery/redis"
	sinkfile "github.com/onceflow/onceflow/sink/file"
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

func client(t testing.TB, addr string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: addr})
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
	return client(t, shared.Addr())
}

var names atomic.Int64

// prefix is new for each store, so that it is empty.
func prefix() string { return fmt.Sprintf("hits%d:", names.Add(1)) }

func open(t *testing.T, c goredis.UniversalClient, o *redis.Options) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hits puts rows under their IDs, and refuses those with a long note.
var hits = keyvalue.Flow[deliverytest.Row]{Name: deliverytest.Flow, Read: delivery.JSONLines[deliverytest.Row](), Put: func(row *deliverytest.Row, p *keyvalue.Put) error {
	if len(row.Note) > 100 {
		return errors.New("note is too long")
	}
	p.Key, p.Value = strconv.FormatInt(row.ID, 10), []byte(row.Note)
	return nil
}}

// ids are the keys below a prefix that have a value.
func ids(ctx context.Context, c *goredis.Client, prefix string) (list []int64, err error) {
	for it := c.Scan(ctx, 0, prefix+"*", 1000).Iterator(); it.Next(ctx); {
		id, err := strconv.ParseInt(strings.TrimPrefix(it.Val(), prefix), 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, nil
}

func TestConformance(t *testing.T) {
	c := server(t)
	deliverytest.Run(t, deliverytest.Config{Refuses: true, Decoded: true, Setup: func(t *testing.T) deliverytest.Storage {
		p := prefix()
		return deliverytest.Storage{
			Open: func() (delivery.Target, error) {
				s, err := redis.Open(t.Context(), c, &redis.Options{Prefix: p})
				if err != nil {
					return nil, err
				}
				return keyvalue.New(s, hits, &keyvalue.Options{Batch: 50})
			},
			Rows: func() ([]int64, error) { return ids(context.Background(), c, p) },
		}
	}})
}

func put(key, value string, row, entry uint64) keyvalue.Put {
	p := keyvalue.Put{Key: key, Version: keyvalue.Version{Row: row, Unit: entry, N: 1}}
	if value != "" {
		p.Value = []byte(value)
	}
	return p
}

// value is what a reader gets.
func value(t *testing.T, c *goredis.Client, key string) string {
	t.Helper()
	v, err := c.HGet(t.Context(), key, "value").Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		t.Fatal(err)
	}
	return v
}

func TestOnlyNewerValuesReplaceOthers(t *testing.T) {
	c, p := server(t), prefix()
	s := open(t, c, &redis.Options{Prefix: p})
	for i, step := range []struct {
		put  keyvalue.Put
		want string
	}{
		{put("k", "a", 0, 9), "a"},
		{put("k", "b", 0, 10), "b"},
		{put("k", "older", 0, 9), "b"},
		{put("k", "same", 0, 10), "b"},
		{put("k", "c", 1, 1), "c"},
		{put("k", "", 1, 2), ""},
		{put("k", "back", 1, 1), ""},
		{put("k", "new", 1<<63, 3), "new"},
		{put("k", "high bit", 1, 1<<63), "new"},
	} {
		if err := s.PutNewer(t.Context(), []keyvalue.Put{step.put}); err != nil {
			t.Fatal(err)
		}
		if got := value(t, c, p+"k"); got != step.want {
			t.Errorf("step %d: k is %q, want %q", i, got, step.want)
		}
	}
	odd := "\x00\xff {}\n" // keys and values are bytes
	if err := s.PutNewer(t.Context(), []keyvalue.Put{put(odd, odd, 0, 1), put(odd, odd+"2", 0, 2), put(odd, "x", 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, c, p+odd); got != odd+"2" {
		t.Errorf("an odd key has %q", got)
	}
}

func TestDeletedKeysAndValuesExpire(t *testing.T) {
	c, p := server(t), prefix()
	s := open(t, c, &redis.Options{Prefix: p, TTL: time.Hour, Tombstone: time.Minute})
	ttl := func() time.Duration { return c.PTTL(t.Context(), p+"k").Val() }
	for _, step := range []struct {
		put         keyvalue.Put
		least, most time.Duration
	}{{put("k", "a", 0, 1), time.Minute, time.Hour}, {put("k", "", 0, 2), 0, time.Minute}, {put("k", "b", 0, 3), time.Minute, time.Hour}} {
		if err := s.PutNewer(t.Context(), []keyvalue.Put{step.put}); err != nil {
			t.Fatal(err)
		}
		if got := ttl(); got <= step.least || got > step.most {
			t.Errorf("%+v expires in %s, want %s to %s", step.put, got, step.least, step.most)
		}
	}
	if err := open(t, c, &redis.Options{Prefix: p}).PutNewer(t.Context(), []keyvalue.Put{put("k", "c", 0, 4)}); err != nil {
		t.Fatal(err)
	}
	if got := ttl(); got != -1 {
		t.Errorf("a value that stays for ever expires in %s", got)
	}
}

// Of many processes that put at once the newest value wins.
func TestManyPutAtOnce(t *testing.T) {
	c, p := server(t), prefix()
	s := open(t, c, &redis.Options{Prefix: p})
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for _, n := range rand.Perm(100) {
				if err := s.PutNewer(t.Context(), []keyvalue.Put{put("k", fmt.Sprint(n, w), uint64(n), uint64(w+1))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := value(t, c, p+"k"); got != "99 7" {
		t.Errorf("k is %q, want the newest", got)
	}
}

func TestAServerThatHasForgottenTheScriptIsTaughtAgain(t *testing.T) {
	r := servertest.Redis(t)
	c := client(t, r.Addr())
	s := open(t, c, nil)
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutNewer(t.Context(), []keyvalue.Put{put("k", "a", 0, 1)}); err != nil || value(t, c, "k") != "a" {
		t.Errorf("got %v, and k is %q", err, value(t, c, "k"))
	}
}

func TestErrorsSayWhoMustAct(t *testing.T) {
	r := servertest.Redis(t)
	c := client(t, r.Addr())
	s := open(t, c, nil)
	if err := c.Set(t.Context(), "taken", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutNewer(t.Context(), []keyvalue.Put{put("taken", "a", 0, 1)}); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") || errors.Is(err, delivery.ErrRefused) {
		t.Errorf("a key of another kind: got %v, want the server's words", err)
	}
	if err := c.ConfigSet(t.Context(), "requirepass", "secret").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := redis.Open(t.Context(), client(t, r.Addr()), nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without the password: got %v, want no access", err)
	}
	wrong := goredis.NewClient(&goredis.Options{Addr: r.Addr(), Password: "wrong"})
	defer wrong.Close()
	if _, err := redis.Open(t.Context(), wrong, nil); !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "wrong password") {
		t.Errorf("with another password: got %v, want no access", err)
	}
	if _, err := redis.Open(t.Context(), nil, nil); err == nil {
		t.Error("no client is taken")
	}
}

// folderEnv and addrEnv tell a process that the test has started where its job lies, and where the server is.
const (
	folderEnv = "ONCEFLOW_REDIS_FOLDER"
	addrEnv   = "ONCEFLOW_REDIS_ADDR"
)

// worker delivers until it is killed.
func worker(t *testing.T, folder, addr string) error {
	store, err := sinkfile.Open(folder, nil)
	if err != nil {
		return err
	}
	for {
		s, err := redis.Open(t.Context(), client(t, addr), &redis.Options{Timeout: time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err) // the server may be down
			continue
		}
		target, err := keyvalue.New(s, hits, nil)
		if err != nil {
			return err
		}
		d, err := delivery.Open(t.Context(), store, deliverytest.Name, "kv", target, &delivery.Options{Poll: 20 * time.Millisecond})
		if err != nil {
			return err
		}
		return d.Run(t.Context())
	}
}

// Two processes deliver what a job commits, each row a key, and later rows of the same keys with other values. One after the
// other is killed, and now and then the server. In the end each key has its last value, as the server itself says.
func TestKilledProcessesAndServersLeaveTheNewestValues(t *testing.T) {
	if folder := os.Getenv(folderEnv); folder != "" {
		t.Fatal(worker(t, folder, os.Getenv(addrEnv)))
	}
	r := servertest.Redis(t)
	c := client(t, r.Addr())
	kills, restarts := 25, 5
	if testing.Short() {
		kills, restarts = 4, 1
	}
	folder := t.TempDir()
	store, err := sinkfile.Open(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	job := deliverytest.NewJob(t, store)
	commits := 0
	commit := func() {
		commits++
		rows := deliverytest.Rows(1, 500)
		for i := range rows {
			rows[i].Note = fmt.Sprint("commit ", commits)
		}
		job.Commit(rows...)
	}
	begin := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=20m")
		cmd.Env = append(os.Environ(), folderEnv+"="+folder, addrEnv+"="+r.Addr())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	end := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	newest := func() string {
		v, _ := c.HGet(t.Context(), "500", "value").Result() // the server may be down
		return v
	}
	commit()
	workers := []*exec.Cmd{begin(), begin()}
	for kill := range kills {
		was := newest()
		commit()
		commit()
		for newest() == was && t.Context().Err() == nil { // something has come
		}
		end(workers[kill%2])
		if kill%(kills/restarts) == 0 {
			r.Process().Kill()
			if err := r.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		workers[kill%2] = begin()
	}
	commit()
	want := fmt.Sprint("commit ", commits)
	for newest() != want && t.Context().Err() == nil {
	}
	for _, w := range workers {
		end(w)
	}
	for id := range 500 {
		if got := value(t, c, fmt.Sprint(id+1)); got != want {
			t.Errorf("key %d has %q, want %q", id+1, got, want)
		}
	}
	if n := c.DBSize(t.Context()).Val(); n != 500 {
		t.Errorf("the server has %d keys, want 500", n)
	}
	t.Logf("%d kills of processes, %d of the server, %d commits", kills, restarts, commits)
}
