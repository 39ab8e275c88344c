package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/delivery/postgres"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

// workerEnv tells a process that TestKilled has started where its job lies, and where the database is.
const (
	folderEnv = "ONCEFLOW_PG_FOLDER"
	urlEnv    = "ONCEFLOW_PG_URL"
)

// worker delivers until it is killed.
func worker(folder, url string) error {
	ctx := context.Background()
	store, err := sinkfile.Open(folder, nil)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	for {
		target, err := postgres.Open(ctx, pool, []postgres.Table{rows}, nil)
		if err == nil {
			var d *delivery.Delivery
			d, err = delivery.Open(ctx, store, deliverytest.Name, "pg", target, &delivery.Options{Poll: 20 * time.Millisecond, Logger: quiet, Decoded: true})
			if err == nil {
				return d.Run(ctx)
			}
		}
		fmt.Fprintln(os.Stderr, "worker:", err) // the server may be down
	}
}

// Two processes deliver what a job commits, at first in files and then in packs. One after the other is killed, and now and then the server. Each row comes to be there
// once, and each bad row among the rejects once, by a count of psql.
func TestKilledProcessesAndServersLeaveEachRowOnce(t *testing.T) {
	if folder := os.Getenv(folderEnv); folder != "" {
		t.Fatal(worker(folder, os.Getenv(urlEnv)))
	}
	pg := servertest.Postgres(t)
	kills, servers := 25, 5
	if testing.Short() {
		kills, servers = 4, 1
	}
	psql := func(sql string) string {
		t.Helper()
		out, err := pg.Psql(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	psql(createHits)
	folder := t.TempDir()
	store, err := sinkfile.Open(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	job := deliverytest.NewJob(t, store)
	good, bad := int64(0), int64(0)
	commit := func(n int) {
		for range n {
			rows := deliverytest.Rows(good+bad+1, good+bad+1000)
			rows[rand.IntN(1000)].Note = long
			job.Commit(rows...)
			good, bad = good+999, bad+1
		}
	}
	begin := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=20m")
		cmd.Env = append(os.Environ(), folderEnv+"="+folder, urlEnv+"="+pg.URL())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	end := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	commit(3)
	workers := []*exec.Cmd{begin(), begin()}
	cursor := ""
	progress := func() { // waits for a cursor that has moved, and a little longer
		more := rand.IntN(20)
		for moved := false; !moved || more > 0; {
			now, err := pg.Psql(t.Context(), "select cursor from onceflow_delivery")
			if err != nil && t.Context().Err() != nil {
				t.Fatal(err)
			}
			if moved {
				more--
			} else if err == nil && now != cursor && now != "" {
				cursor, moved = now, true
			}
		}
	}
	for kill := range kills {
		if kill == kills/2 { // from here on rows come in packs
			job = deliverytest.NewMergedJob(t, store)
		}
		commit(6)
		progress()
		victim := kill % len(workers)
		end(workers[victim])
		if kill%(kills/servers) == 0 {
			pg.Process().Kill()
			if err := pg.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		workers[victim] = begin()
	}
	commit(1)
	want := fmt.Sprintf("%d|%d", good, good)
	for psql("select count(*), count(distinct id) from hits") != want {
		if n, _ := strconv.ParseInt(psql("select count(*) from hits"), 10, 64); n > good {
			break
		}
	}
	for _, w := range slices.Backward(workers) {
		end(w)
	}
	for sql, want := range map[string]string{
		"select count(*), count(distinct id) from hits":                                                                   want,
		"select count(*), count(distinct value) from onceflow_rejects":                                                    fmt.Sprintf("%d|%d", bad, bad),
		"select count(*) from onceflow_parked":                                                                            "0",
		"select rows, rejected from onceflow_delivery":                                                                    fmt.Sprintf("%d|%d", good, bad),
		"select sum(id) from (select id from hits union all select (value::json->>'id')::bigint from onceflow_rejects) x": fmt.Sprint((good + bad) * (good + bad + 1) / 2),
	} {
		if got := psql(sql); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	t.Logf("%d kills of processes, %d of the server: %d rows and %d rejects", kills, servers, good, bad)
}
