package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/onceflow/onceflow/sink/delivery"
)

// chunk is how many rows are copied at once, and kept in memory until they are.
const chunk = 10_000

// Load loads a unit.
func (t *Target) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	l := &loading{target: t, unit: u}
	committing := false
	err := t.change(ctx, func(tx pgx.Tx) error {
		if err := l.begin(ctx, tx); err != nil {
			return err
		}
		for i := range t.tables {
			if err := l.table(ctx, tx, &t.tables[i]); err != nil {
				return err
			}
		}
		committing = true
		return l.end(ctx, tx)
	})
	switch {
	case err == nil:
		return l.res, nil
	case committing && isBad(err): // a constraint that is checked at the end; the server has taken all back
		err = delivery.Refuse(err)
	}
	return delivery.Result{}, fmt.Errorf("postgres: load %s: %w", u.ID, classified(err))
}

// loading is a unit that is being loaded.
type loading struct {
	target *Target
	unit   *delivery.Unit
	res    delivery.Result
}

// begin takes the cursor, or the unit that is parked.
func (l *loading) begin(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(ctx, l.target.opts.Timeout)
	defer cancel()
	if l.unit.Attempt > 0 {
		return fenced(tx.Exec(ctx, "delete from onceflow_parked where name = $1 and unit = $2", l.unit.Delivery, l.unit.ID))
	}
	return move(ctx, tx, l.unit)
}

// end counts.
func (l *loading) end(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(ctx, l.target.opts.Timeout)
	defer cancel()
	_, err := tx.Exec(ctx, "update onceflow_delivery set rows = rows + $2, rejected = rejected + $3 where name = $1", l.unit.Delivery, l.res.Rows, l.res.Rejected)
	return err
}

// table copies the rows of a flow.
func (l *loading) table(ctx context.Context, tx pgx.Tx, s *tableSpec) error {
	rows := make([]row, 0, min(chunk, l.unit.Rows()))
	flush := func() error {
		err := l.copy(ctx, tx, s, rows)
		clear(rows)
		rows = rows[:0]
		return err
	}
	err := s.rows(ctx, l.unit, func(r row) error {
		rows = append(rows, r)
		if len(rows) < chunk {
			return nil
		}
		return flush()
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	return flush()
}

// copy copies rows, and puts those aside that the table refuses. Halves find them: n rows with one bad one take about twice log2(n)
// more copies, of n rows altogether twice.
func (l *loading) copy(ctx context.Context, tx pgx.Tx, s *tableSpec, rows []row) error {
	err := l.try(ctx, tx, s, rows)
	switch {
	case err == nil:
		l.res.Rows += int64(len(rows))
		return nil
	case !isBad(err):
		return err
	case l.target.opts.Rejects == 0:
		return delivery.Refuse(err)
	case len(rows) == 1:
		return l.reject(ctx, tx, s, &rows[0], err)
	}
	half := len(rows) / 2
	if err := l.copy(ctx, tx, s, rows[:half]); err != nil {
		return err
	}
	return l.copy(ctx, tx, s, rows[half:])
}

// try copies rows, all or none, behind a savepoint unless nothing is put aside.
func (l *loading) try(ctx context.Context, tx pgx.Tx, s *tableSpec, rows []row) error {
	ctx, cancel := context.WithTimeout(ctx, l.target.opts.Timeout)
	defer cancel()
	source := &source{rows: rows, names: s.names(), oids: s.oids}
	within := func(tx pgx.Tx) error {
		n, err := tx.CopyFrom(ctx, identifier(s.table), s.names(), source)
		if err == nil && n != int64(len(rows)) {
			err = fmt.Errorf("%d rows were copied, and %d came to be there", len(rows), n)
		}
		return source.blame(tx.Conn(), err)
	}
	var err error
	if l.target.opts.Rejects == 0 {
		err = within(tx)
	} else {
		err = pgx.BeginFunc(ctx, tx, within)
	}
	if err != nil && !isBad(err) {
		// The connection may remember a column's type that has changed since, and would send bytes of that type again. Another asks anew.
		_ = tx.Conn().Close(ctx)
	}
	return err
}

// reject puts a row aside.
func (l *loading) reject(ctx context.Context, tx pgx.Tx, s *tableSpec, r *row, why error) error {
	if l.res.Rejected++; l.res.Rejected > int64(l.target.opts.Rejects) {
		return delivery.Refuse(fmt.Errorf("more than %d rows are bad (Options.Rejects); row %d of %s: %w", l.target.opts.Rejects, r.n, r.file, why))
	}
	ctx, cancel := context.WithTimeout(ctx, l.target.opts.Timeout)
	defer cancel()
	_, err := tx.Exec(ctx, "insert into onceflow_rejects values ($1, $2, $3, $4, $5, $6, $7, now())",
		l.unit.Delivery, l.unit.ID, s.flow, r.file, r.n, reason(why), text(r.shown()))
	return err
}

// source gives rows to COPY.
type source struct {
	rows  []row
	next  int
	names []string
	oids  []uint32
}

func (s *source) Next() bool {
	s.next++
	return s.next <= len(s.rows)
}
func (s *source) Values() ([]any, error) { return s.rows[s.next-1].values, nil }
func (s *source) Err() error             { return nil }
