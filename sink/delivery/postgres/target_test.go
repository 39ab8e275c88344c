package postgres_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/delivery/postgres"
)

func TestConformance(t *testing.T) {
	var last *pgxpool.Pool // the rules come one after the other
	deliverytest.Run(t, deliverytest.Config{Refuses: true, Decoded: true, Setup: func(t *testing.T) deliverytest.Storage {
		if last != nil {
			last.Close()
		}
		db := newDatabase(t)
		db.exec(createHits)
		last = db.pool
		return deliverytest.Storage{
			Open: func() (delivery.Target, error) {
				return postgres.Open(t.Context(), db.pool, []postgres.Table{rows}, &postgres.Options{Rejects: -1})
			},
			Rows: func() (ids []int64, err error) {
				for id := range strings.FieldsSeq(db.query("select id from hits")) {
					n, err := strconv.ParseInt(id, 10, 64)
					if err != nil {
						return nil, err
					}
					ids = append(ids, n)
				}
				return ids, nil
			},
		}
	}})
}

// More rows than are copied at once, with bad ones in several places: too long for the column, null where that is not allowed, and a
// value that pgx itself cannot encode.
func TestBadRowsArePutAsideWithTheReasonAndAllOthersAreLoaded(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec(createHits)
	all := deliverytest.Rows(1, 25_000)
	for _, i := range []int{0, 9_999, 10_000, 24_999} {
		all[i].Note = long
	}
	all[17].Note = "null"
	all[18_000].Note = "odd"
	job.Commit(all...)
	job.Commit(deliverytest.Rows(25_001, 25_010)...)
	flow := rows
	flow.Columns = append([]postgres.Column[deliverytest.Row]{{Name: "id", Type: "bigint", Value: func(r *deliverytest.Row) any {
		switch r.Note {
		case "null":
			return nil
		case "odd":
			return struct{ X, Y int }{1, 2}
		}
		return r.ID
	}}}, rows.Columns[1:]...)
	target, err := postgres.Open(t.Context(), db.pool, []postgres.Table{flow}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := deliver(t, job.Store, target)
	if s := d.Status(); s.Rows != 25_004 || s.Rejected != 6 || len(s.Parked) != 0 {
		t.Errorf("status %+v, want 25,004 rows, 6 rejected and nothing parked", s)
	}
	db.want("select count(*), count(distinct id), min(id), max(id) from hits", "25004|25004|2|25010")
	db.want("select rows, rejected from onceflow_delivery", "25004|6")
	db.want("select string_agg(n::text, ' ' order by n) from onceflow_rejects where flow = 'rows' and file like 'rows/%' and unit like 'pg-%'",
		"1 18 10000 10001 18001 25000")
	db.want("select value::json ->> 'id' from onceflow_rejects where reason like '%value too long for type character varying(100)%' order by n",
		"1\n10000\n10001\n25000")
	db.want("select count(*) from onceflow_rejects where n = 18 and reason like '%null value in column \"id\"%'", "1")
	db.want("select count(*) from onceflow_rejects where n = 18001 and reason like '%column id%encode%'", "1")
}

func TestTooManyBadRowsParkTheUnitUntilItIsTakenUp(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec(createHits)
	all := deliverytest.Rows(1, 50)
	for i := range 4 {
		all[10*i].Note = long
	}
	job.Commit(all...)
	job.Commit(deliverytest.Rows(51, 60)...)
	d := deliver(t, job.Store, db.open(&postgres.Options{Rejects: 3}))
	db.want("select count(*), min(id) from hits", "10|51")
	db.want("select count(*) from onceflow_rejects", "0")
	db.want("select count(*) from onceflow_parked where reason like '%more than 3 rows are bad%value too long%'", "1")
	unit := d.Status().Parked[0].Unit
	if _, err := d.TakeUp(t.Context(), unit); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("TakeUp before the table was mended: got %v, want ErrRefused", err)
	}
	db.want("select attempts from onceflow_parked", "1")
	db.exec("alter table hits alter note type text")
	if res, err := d.TakeUp(t.Context(), unit); err != nil || res.Rows != 50 {
		t.Errorf("TakeUp: got %+v, %v, want 50 rows", res, err)
	}
	if _, err := d.TakeUp(t.Context(), unit); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("TakeUp of a unit that was taken up: got %v, want fs.ErrNotExist", err)
	}
	db.want("select count(*), count(distinct id) from hits", "60|60")
	db.want("select count(*) from onceflow_parked", "0")
}

// A constraint that is checked at the end of the transaction refuses it as a whole.
func TestAConstraintThatIsCheckedAtTheEndRefusesTheUnit(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec("create table hits (id bigint, note varchar(100), at timestamptz, unique (id) deferrable initially deferred)")
	job.Commit(append(deliverytest.Rows(1, 3), deliverytest.Rows(2, 2)...)...)
	job.Commit(deliverytest.Rows(4, 6)...)
	d := deliver(t, job.Store, db.open(nil))
	if p := d.Status().Parked; len(p) != 1 || !strings.Contains(p[0].Reason, "duplicate key") {
		t.Errorf("parked %+v, want the unit with the duplicate", p)
	}
	db.want("select string_agg(id::text, ' ' order by id) from hits", "4 5 6")
}

func TestWhatIsNoRowRefusesItsUnit(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec(createHits)
	job.Commit(deliverytest.Rows(1, 3)...)
	flow := rows
	flow.Read = delivery.Lines(func(line []byte) (r deliverytest.Row, err error) { return r, errors.New("no row: " + string(line[:7])) })
	target, err := postgres.Open(t.Context(), db.pool, []postgres.Table{flow}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := deliver(t, job.Store, target).Status().Parked; len(p) != 1 || !strings.Contains(p[0].Reason, `no row: {"id":1`) {
		t.Errorf("parked %+v, want the unit with what the reader said", p)
	}
}

func TestATableThatDoesNotFitIsRefusedColumnByColumn(t *testing.T) {
	db := newDatabase(t)
	open := func(opts *postgres.Options) (string, *postgres.SchemaError) {
		_, err := postgres.Open(t.Context(), db.pool, []postgres.Table{rows}, opts)
		var differs *postgres.SchemaError
		if err != nil && !errors.As(err, &differs) {
			t.Fatal(err)
		}
		return fmt.Sprint(err), differs
	}
	const none = `postgres: cannot open: postgres: the table hits does not fit the flow "rows":
  + id bigint                    the table does not have it
  + note character varying(100)  the table does not have it
  + at timestamp with time zone  the table does not have it
This makes it fit, and Options.Create does it:
  create table "hits" ("id" bigint, "note" character varying(100), "at" timestamp with time zone)`
	if got, _ := open(nil); got != none {
		t.Errorf("without a table:\ngot  %s\nwant %s", got, none)
	}
	db.exec("create table hits (id integer, at timestamptz, country text not null, filled text not null default '')")
	const wrong = `postgres: cannot open: postgres: the table hits does not fit the flow "rows":
  ~ id bigint                    the table has integer
  + note character varying(100)  the table does not have it
  - country text                 the table demands it, and the flow does not have it`
	for _, opts := range []*postgres.Options{nil, {Create: true}} {
		if got, _ := open(opts); got != wrong {
			t.Errorf("with another table:\ngot  %s\nwant %s", got, wrong)
		}
	}
	db.exec("alter table hits alter id type bigint, drop country; insert into hits (id) values (7)")
	if _, differs := open(nil); differs == nil || differs.Repair != `alter table "hits" add column "note" character varying(100)` {
		t.Errorf("got %+v, want a column that can be added", differs)
	}
	if got, differs := open(&postgres.Options{Create: true}); differs != nil {
		t.Errorf("Create did not add the column: %s", got)
	}
	db.want("select id, note, filled from hits", "7||")
	db.exec("drop table hits")
	if got, differs := open(&postgres.Options{Create: true}); differs != nil {
		t.Errorf("Create did not make the table: %s", got)
	}
	if got, differs := open(nil); differs != nil {
		t.Errorf("what Create has made does not fit: %s", got)
	}
}

func TestRefusedAccessIsToldApartFromRefusedRows(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec(createHits)
	target := db.open(nil)
	job.Commit(deliverytest.Rows(1, 3)...)
	deliver(t, job.Store, target)
	role := "role_" + db.schema
	db.exec("create role " + role + " login; grant usage on schema " + db.schema + " to " + role +
		"; grant select, insert, update on onceflow_delivery, onceflow_parked, onceflow_rejects to " + role + "; grant select on hits to " + role)
	job.Commit(deliverytest.Rows(4, 6)...)
	for _, user := range []string{role, "nobody_" + db.schema} {
		pool := connect(t, strings.Replace(db.url, "postgres@", user+"@", 1))
		target, err := postgres.Open(t.Context(), pool, []postgres.Table{rows}, nil)
		if user != role {
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("a user that does not exist: got %v, want fs.ErrPermission", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		unit := next(t, job, target)
		if _, err := target.Load(t.Context(), unit); !errors.Is(err, fs.ErrPermission) || errors.Is(err, delivery.ErrRefused) {
			t.Errorf("without the right to insert: got %v, want fs.ErrPermission", err)
		}
	}
	deliver(t, job.Store, target)
	db.want("select count(*) from hits", "6")
}

// A connection keeps what it knows of a table. When the type of a column changed, rows in the form of the old type were once refused, one
// by one.
func TestAColumnWhoseTypeChangesMeanwhileCostsNoRow(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec("create table hits (id integer, note varchar(100), at timestamptz)")
	flow := rows
	flow.Columns = append([]postgres.Column[deliverytest.Row]{{Name: "id", Value: rows.Columns[0].Value}}, rows.Columns[1:]...)
	target, err := postgres.Open(t.Context(), db.pool, []postgres.Table{flow}, nil)
	if err != nil {
		t.Fatal(err)
	}
	job.Commit(deliverytest.Rows(1, 3)...)
	deliver(t, job.Store, target)
	db.exec("alter table hits alter id type bigint")
	job.Commit(deliverytest.Rows(4, 6)...)
	if s := deliver(t, job.Store, target).Status(); s.Rejected != 0 || len(s.Parked) != 0 {
		t.Errorf("status %+v, want nothing refused", s)
	}
	db.want("select count(*), count(distinct id) from hits", "6|6")
}

// A lock that somebody holds on the table is waited for, and after Timeout it is an error that may pass.
func TestALockThatIsHeldForLongIsNoRefusal(t *testing.T) {
	db, job := newDatabase(t), deliverytest.NewJob(t, nil)
	db.exec(createHits)
	db.open(nil) // makes the tables of the cursor, which takes longer
	target := db.open(&postgres.Options{Timeout: 2 * time.Second})
	job.Commit(deliverytest.Rows(1, 3)...)
	unit := next(t, job, target)
	tx, err := db.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table hits"); err != nil {
		t.Fatal(err)
	}
	if _, err := target.Load(t.Context(), unit); err == nil || errors.Is(err, delivery.ErrRefused) || errors.Is(err, delivery.ErrFenced) {
		t.Errorf("got %v, want an error that may pass", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliver(t, job.Store, db.open(nil))
	db.want("select count(*) from hits", "3")
}
