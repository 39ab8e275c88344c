package postgres_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/delivery/postgres"
)

var servers servertest.Shared

func TestMain(m *testing.M) { servers.Main(m) }

// schemas numbers those of the tests, each of which has its own.
var schemas atomic.Int64

// database is a schema of its own on a server.
type database struct {
	t      *testing.T
	schema string
	url    string
	pool   *pgxpool.Pool
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	pg := servers.Postgres(t)
	d := &database{t: t, schema: fmt.Sprintf("s%d", schemas.Add(1))}
	d.url = pg.URL() + "&search_path=" + d.schema
	d.exec("create schema " + d.schema)
	d.pool = connect(t, d.url)
	return d
}

func connect(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// query asks psql, which knows nothing of the library. It prints a line for each row, with bars between the values.
func (d *database) query(sql string) string {
	d.t.Helper()
	out, err := servers.Postgres(d.t).Psql(d.t.Context(), "set search_path = "+d.schema+"; "+sql)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

func (d *database) exec(sql string) { d.t.Helper(); d.query(sql) }

// want compares what psql prints.
func (d *database) want(sql, want string) {
	d.t.Helper()
	if got := d.query(sql); got != want {
		d.t.Errorf("%s:\ngot  %s\nwant %s", sql, got, want)
	}
}

// rows is the flow of deliverytest, in a table with a note of at most 100 characters.
var rows = postgres.Flow[deliverytest.Row]{
	Flow: deliverytest.Flow, Table: "hits", Read: delivery.JSONLines[deliverytest.Row](),
	Columns: []postgres.Column[deliverytest.Row]{
		{Name: "id", Type: "bigint", Value: func(r *deliverytest.Row) any { return r.ID }},
		{Name: "note", Type: "varchar(100)", Value: func(r *deliverytest.Row) any { return r.Note }},
		{Name: "at", Type: "timestamptz", Value: func(r *deliverytest.Row) any { return r.At }},
	},
}

const createHits = "create table hits (id bigint not null, note varchar(100), at timestamptz)"

func (d *database) open(opts *postgres.Options) *postgres.Target {
	d.t.Helper()
	target, err := postgres.Open(d.t.Context(), d.pool, []postgres.Table{rows}, opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return target
}

// deliver delivers all that a job has committed.
func deliver(t *testing.T, store sink.Store, target delivery.Target) *delivery.Delivery {
	t.Helper()
	ctx, stop := context.WithTimeout(deliverytest.Context(t.Context()), 5*time.Minute)
	defer stop()
	d, err := delivery.Open(ctx, store, deliverytest.Name, "pg", target, &delivery.Options{Poll: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// long is a note that the table refuses.
var long = strings.Repeat("x", 101)

// next is the unit that a delivery would load next.
func next(t *testing.T, job *deliverytest.Job, target delivery.Keeper) *delivery.Unit {
	t.Helper()
	c := &catcher{Keeper: target}
	ctx, stop := context.WithCancel(deliverytest.Context(t.Context()))
	defer stop()
	c.stop = stop
	d, err := delivery.Open(ctx, job.Store, deliverytest.Name, "pg", c, &delivery.Options{Poll: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return c.unit
}

// catcher catches a unit and ends the delivery.
type catcher struct {
	delivery.Keeper
	unit *delivery.Unit
	stop func()
}

func (c *catcher) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	c.unit = u
	c.stop()
	return delivery.Result{}, context.Canceled
}
