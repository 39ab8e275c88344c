package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SchemaError says that a table does not fit what is to be written to it, column by column.
type SchemaError struct {
	Flow, Table string
	Lines       []string // one for each column that differs
	Repair      string   // statements that make the table fit; "" if none do without a loss
}

func (e *SchemaError) Error() string {
	s := fmt.Sprintf("postgres: the table %s does not fit the flow %q:\n  %s", e.Table, e.Flow, strings.Join(e.Lines, "\n  "))
	if e.Repair != "" {
		s += "\nThis makes it fit, and Options.Create does it:\n  " + e.Repair
	}
	return s
}

// aliases are the names of types that PostgreSQL shows otherwise.
var aliases = map[string]string{
	"int8": "bigint", "int": "integer", "int4": "integer", "int2": "smallint", "float8": "double precision", "float4": "real",
	"bool": "boolean", "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone", "timetz": "time with time zone",
	"time": "time without time zone", "decimal": "numeric", "varchar": "character varying", "char": "character", "varbit": "bit varying",
}

var typeName = regexp.MustCompile(`^([a-z0-9_ ]+?)\s*(\([0-9, ]+\))?((?:\[\])*)$`)

// canonical is a type as format_type shows it.
func canonical(typ string) string {
	m := typeName.FindStringSubmatch(strings.ToLower(strings.TrimSpace(typ)))
	if m == nil {
		return typ
	}
	name := m[1]
	if a, ok := aliases[name]; ok {
		name = a
	}
	return name + strings.ReplaceAll(m[2], " ", "") + m[3]
}

// there is a column of a table.
type there struct {
	typ    string
	oid    uint32
	needed bool // it is not null, and nothing fills it in
}

// table reads the columns of a table; found is false if there is no table.
func table(ctx context.Context, q querier, name string) (columns map[string]there, order []string, found bool, err error) {
	rows, err := q.Query(ctx, `
		select a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid::oid,
			a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = ''
		from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum`,
		identifier(name).Sanitize())
	if err != nil {
		return nil, nil, false, err
	}
	columns = map[string]there{}
	var column string
	var c there
	_, err = pgx.ForEachRow(rows, []any{&column, &c.typ, &c.oid, &c.needed}, func() error {
		columns[column] = c
		order = append(order, column)
		return nil
	})
	return columns, order, len(columns) > 0, err
}

// compare returns nil if a table fits, and notes the types of its columns.
func compare(ctx context.Context, q querier, s *tableSpec) (*SchemaError, error) {
	columns, order, found, err := table(ctx, q, s.table)
	if err != nil {
		return nil, err
	}
	e := &SchemaError{Flow: s.flow, Table: s.table}
	width := 0
	for _, c := range s.columns {
		width = max(width, len(c.name)+1+len(c.typ))
	}
	line := func(sign, column, typ, why string) {
		e.Lines = append(e.Lines, fmt.Sprintf("%s %-*s  %s", sign, width, strings.TrimSpace(column+" "+typ), why))
	}
	var missing []string
	repairable := true
	s.oids = nil
	for _, c := range s.columns {
		has, ok := columns[c.name]
		s.oids = append(s.oids, has.oid)
		switch {
		case !ok:
			line("+", c.name, c.typ, "the table does not have it")
			missing = append(missing, pgx.Identifier{c.name}.Sanitize()+" "+c.typ)
			repairable = repairable && c.typ != ""
		case c.typ != "" && c.typ != has.typ:
			line("~", c.name, c.typ, "the table has "+has.typ)
			repairable = false
		}
	}
	for _, name := range order {
		if columns[name].needed && !slices.ContainsFunc(s.columns, func(c columnSpec) bool { return c.name == name }) {
			line("-", name, columns[name].typ, "the table demands it, and the flow does not have it")
			repairable = false
		}
	}
	if len(e.Lines) == 0 {
		return nil, nil
	}
	switch to := identifier(s.table).Sanitize(); {
	case !repairable:
	case !found:
		e.Repair = fmt.Sprintf("create table %s (%s)", to, strings.Join(missing, ", "))
	default:
		e.Repair = fmt.Sprintf("alter table %s add column %s", to, strings.Join(missing, ", add column "))
	}
	return e, nil
}

// own are the tables of the target.
const own = `
	create table if not exists onceflow_delivery (
		name text primary key, cursor text not null, rows bigint not null, rejected bigint not null, changed timestamptz not null);
	create table if not exists onceflow_parked (
		name text, unit text, cursor text not null, reason text not null, at timestamptz not null, attempts integer not null, primary key (name, unit));
	create table if not exists onceflow_rejects (
		name text not null, unit text not null, flow text not null, file text not null, n bigint not null, reason text not null, value text not null,
		at timestamptz not null)`

// ownLock keeps processes from making tables at the same time, which fails in spite of "if not exists". It is the number of an advisory
// lock, drawn once.
const ownLock = 0x6f6e6365666c6f77

// prepare makes what is missing, and compares what is there.
func (t *Target) prepare(ctx context.Context) error {
	for _, name := range []string{"onceflow_delivery", "onceflow_parked", "onceflow_rejects"} {
		_, _, found, err := table(ctx, t.pool, name)
		if err != nil {
			return err
		}
		if !found {
			if err := t.execLocked(ctx, own); err != nil {
				return fmt.Errorf("make the tables of the cursor: %w", err)
			}
			break
		}
	}
	var errs []error
	for i := range t.tables {
		differs, err := compare(ctx, t.pool, &t.tables[i])
		if err == nil && differs != nil && differs.Repair != "" && t.opts.Create {
			if err = t.execLocked(ctx, differs.Repair); err == nil || exists(err) {
				differs, err = compare(ctx, t.pool, &t.tables[i])
			}
		}
		if err == nil && differs != nil {
			err = differs
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// execLocked executes statements in a transaction that no other process is in.
func (t *Target) execLocked(ctx context.Context, sql string) error {
	return pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(ownLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql)
		return err
	})
}

// exists reports whether another process has made the table or the column.
func exists(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42P07" || pg.Code == "42701")
}
