package postgres_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/audit/audittest"
	"github.com/onceflow/onceflow/sink/audit/postgres"
)

var servers servertest.Shared

func TestMain(m *testing.M) { servers.Main(m) }

func connect(t *testing.T, more string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), servers.Postgres(t).URL()+more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func psql(t *testing.T, sql string) string {
	t.Helper()
	out, err := servers.Postgres(t).Psql(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The registries share a table, as sources do.
func TestConformance(t *testing.T) {
	pool := connect(t, "")
	sources := 0
	audittest.Run(t, func(t *testing.T) func() audit.Registry {
		sources++
		source := fmt.Sprint("clicks", sources)
		return func() audit.Registry {
			g, err := postgres.Open(t.Context(), pool, source, nil)
			if err != nil {
				t.Fatal(err)
			}
			return g
		}
	})
	if n := psql(t, "select count(*) > 2500 from onceflow_batches where batch < '\\x0200'"); n != "t" {
		t.Errorf("psql counts otherwise: %s", n)
	}
}

// A row that was committed while synchronous_commit is off is gone after a crash, though the client was told otherwise.
func TestAServerThatMayForgetCommitsIsRefused(t *testing.T) {
	pool := connect(t, "&options=-csynchronous_commit%3Doff")
	if _, err := postgres.Open(t.Context(), pool, "clicks", nil); err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("got %v, want that the server is refused", err)
	}
}

// Registries that are opened at once all work, though only one of them makes the table.
func TestTheTableIsMadeOnce(t *testing.T) {
	pool := connect(t, "&pool_max_conns=8")
	psql(t, "create schema made")
	var opened atomic.Int64
	var group sync.WaitGroup
	r := audit.Registration{ID: audit.NewID(time.Now()), Lines: 1, Oldest: time.Now()}
	for range 8 {
		group.Go(func() {
			g, err := postgres.Open(t.Context(), pool, "clicks", &postgres.Options{Table: "made.batches"})
			if err == nil {
				err = g.Register(t.Context(), r)
			}
			if err != nil {
				t.Error(err)
				return
			}
			opened.Add(1)
		})
	}
	group.Wait()
	if n := psql(t, "select count(*) from made.batches"); n != "1" || opened.Load() != 8 {
		t.Errorf("%s rows, %d registries", n, opened.Load())
	}
}

// What trying again does not mend is said at once, and a Batcher does not try for Patience.
func TestMistakesAreFinal(t *testing.T) {
	pool := connect(t, "")
	g, err := postgres.Open(t.Context(), pool, "clicks", &postgres.Options{Table: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Register(t.Context(), audit.Registration{ID: audit.NewID(time.Now())}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a batch without lines: %v", err)
	}
	psql(t, "drop table gone")
	if err := g.Register(t.Context(), audit.Registration{ID: audit.NewID(time.Now()), Lines: 1, Oldest: time.Now()}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a table that was dropped: %v", err)
	}
	for _, err := range g.List(t.Context(), time.Now(), time.Now().Add(time.Hour)) {
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("a table that was dropped: %v", err)
		}
	}
	if err := g.Expire(t.Context(), time.Now()); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a table that was dropped: %v", err)
	}
	psql(t, "create role reader login; create table there (); ")
	reader, err := pgxpool.New(t.Context(), strings.Replace(servers.Postgres(t).URL(), "postgres@", "reader@", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	if _, err := postgres.Open(t.Context(), reader, "clicks", &postgres.Options{Table: "mine"}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a user who may not create tables: %v", err)
	}
}

func TestExpiredRowsAreDeletedAndOthersAreNot(t *testing.T) {
	pool := connect(t, "")
	now := time.Now().UTC().Truncate(time.Millisecond)
	open := func(source string) *postgres.Registry {
		g, err := postgres.Open(t.Context(), pool, source, &postgres.Options{Table: "expiring"})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := open("clicks")
	for i := range 20 {
		for _, g := range []*postgres.Registry{g, open("views")} {
			if err := g.Register(t.Context(), audit.Registration{ID: audit.NewID(now.Add(-time.Duration(i) * time.Hour)), Lines: 1, Oldest: now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := g.Expire(t.Context(), now.Add(-10*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n := psql(t, "select source, count(*) from expiring group by source order by source"); n != "clicks|11\nviews|20" {
		t.Errorf("left are %q", n)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	if _, err := postgres.Open(t.Context(), nil, "clicks", nil); err == nil {
		t.Error("no pool")
	}
}
