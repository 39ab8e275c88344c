package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/sink/delivery"
)

// Options are the optional settings of a Target; nil means all defaults.
type Options struct {
	// Rejects is how many rows of a unit may be put aside because the table refuses them. If there are more the unit is refused.
	//
	// Defaults to 100. -1 is none: one bad row refuses its unit.
	Rejects int

	// Create makes tables that are missing, and adds columns that are. It changes and drops none.
	Create bool

	// Timeout bounds each request, and the copying of each 10,000 rows.
	//
	// Defaults to 1 minute.
	Timeout time.Duration
}

// Target is a delivery.Keeper. It is safe for concurrent use.
type Target struct {
	pool   *pgxpool.Pool
	tables []tableSpec
	opts   Options
}

var _ delivery.Keeper = (*Target)(nil)

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Open makes a Target of a pool, which stays the caller's, for flows. It makes the tables of the cursor if they are missing, and compares
// each table with its flow; the error of one that does not fit is a *SchemaError. Files of other flows are left out; a delivery that
// reads them in vain says so by delivery.Options.Flows.
func Open(ctx context.Context, pool *pgxpool.Pool, tables []Table, opts *Options) (*Target, error) {
	t := &Target{pool: pool}
	if opts != nil {
		t.opts = *opts
	}
	t.opts.Rejects = max(0, cmp.Or(t.opts.Rejects, 100))
	t.opts.Timeout = cmp.Or(t.opts.Timeout, time.Minute)
	var errs []error
	if len(tables) == 0 {
		errs = append(errs, errors.New("no tables"))
	}
	seen := map[string]bool{}
	for _, table := range tables {
		s, err := table.spec()
		if seen[s.flow] {
			err = errors.Join(err, fmt.Errorf("the flow %q has two tables", s.flow))
		}
		seen[s.flow] = true
		t.tables, errs = append(t.tables, s), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("postgres: cannot open: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout)
	defer cancel()
	if err := t.prepare(ctx); err != nil {
		return nil, fmt.Errorf("postgres: cannot open: %w", classified(err))
	}
	return t, nil
}

// State reads the cursor of a delivery and what is parked.
func (t *Target) State(ctx context.Context, name string) (s delivery.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, t.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var cursor string
		err := tx.QueryRow(ctx, "select cursor from onceflow_delivery where name = $1", name).Scan(&cursor)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if s.Cursor, err = delivery.ParseCursor(cursor); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select unit, cursor, reason, at, attempts from onceflow_parked where name = $1 order by at, unit", name)
		if err != nil {
			return err
		}
		var p delivery.Parked
		_, err = pgx.ForEachRow(rows, []any{&p.Unit, &cursor, &p.Reason, &p.At, &p.Attempts}, func() (err error) {
			p.Cursor, err = delivery.ParseCursor(cursor)
			s.Parked = append(s.Parked, p)
			return err
		})
		return err
	})
	if err != nil {
		return delivery.State{}, fmt.Errorf("postgres: read the cursor of %q: %w", name, classified(err))
	}
	return s, nil
}

// Park notes a unit that was refused.
func (t *Target) Park(ctx context.Context, u *delivery.Unit, reason string) error {
	err := t.change(ctx, func(tx pgx.Tx) error {
		ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout)
		defer cancel()
		if u.Attempt > 0 {
			return fenced(tx.Exec(ctx, "update onceflow_parked set reason = $3, attempts = $4 where name = $1 and unit = $2", u.Delivery, u.ID, reason, u.Attempt))
		}
		if err := move(ctx, tx, u); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into onceflow_parked values ($1, $2, $3, $4, now(), 0)", u.Delivery, u.ID, u.Cursor.String(), reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: park %s: %w", u.ID, classified(err))
	}
	return nil
}

// change makes a transaction. Its locks end with the connection: the server looks whether the client is still there, since a client that
// lost its power would hold up all others for two hours.
func (t *Target) change(ctx context.Context, f func(pgx.Tx) error) error {
	var tx pgx.Tx
	err := t.within(ctx, func(ctx context.Context) (err error) {
		tx, err = t.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
		return err
	})
	if err != nil {
		return err
	}
	err = t.within(ctx, func(ctx context.Context) error {
		_, err := tx.Exec(ctx, "set local tcp_keepalives_idle = 30; set local tcp_keepalives_interval = 10; set local tcp_keepalives_count = 3; "+
			"set local idle_in_transaction_session_timeout = '5min'")
		return err
	})
	if err == nil {
		err = f(tx)
	}
	if err != nil {
		_ = t.within(context.WithoutCancel(ctx), tx.Rollback) // if it fails the connection is closed, and the server does it
		return err
	}
	return t.within(ctx, tx.Commit)
}

// within bounds a request.
func (t *Target) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, t.opts.Timeout)
	defer cancel()
	return f(ctx)
}

// move moves the cursor, or fails because it is not where the unit begins. The row is locked from here on, so others wait for the end
// of this transaction and then find another cursor.
func move(ctx context.Context, tx pgx.Tx, u *delivery.Unit) error {
	if u.After.IsZero() {
		return fenced(tx.Exec(ctx, "insert into onceflow_delivery values ($1, $2, 0, 0, now()) on conflict do nothing", u.Delivery, u.Cursor.String()))
	}
	return fenced(tx.Exec(ctx, "update onceflow_delivery set cursor = $3, changed = now() where name = $1 and cursor = $2",
		u.Delivery, u.After.String(), u.Cursor.String()))
}

// fenced fails unless one row was changed.
func fenced(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		return delivery.ErrFenced
	}
	return err
}
