package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/onceflow/onceflow/sink/delivery"
)

// Flow says which table gets the rows of a flow, and how a row becomes columns. It implements Table. All fields are required but for
// Column.Type.
type Flow[T any] struct {
	Flow    string             // of the job
	Table   string             // its name, with its schema and a dot before if it is not in the search path
	Read    delivery.Reader[T] // fits the flow's format: delivery.JSONLines[T]() is one
	Columns []Column[T]
}

// Column is a column that is written. Others of the table must have a default, or may be null.
type Column[T any] struct {
	Name string

	// Type is that of the column, such as "bigint", "varchar(40)" or "timestamptz". Open compares it with the table.
	//
	// Defaults to any.
	Type string

	// Value is what the column gets; nil is null. pgx converts it to the column's type, and refuses what does not fit. A row whose Value panics
	// ends the process.
	Value func(row *T) any
}

// Table is where the rows of a flow go. Flow is the only one.
type Table interface {
	spec() (tableSpec, error)
}

// tableSpec is a Flow without the type of its rows.
type tableSpec struct {
	flow, table string
	columns     []columnSpec
	oids        []uint32 // of the columns, as the table had them when it was opened

	// rows calls take with the values of each row of a unit. take keeps them.
	rows func(ctx context.Context, u *delivery.Unit, take func(row) error) error
}

type columnSpec struct{ name, typ string }

// row is a row in work.
type row struct {
	values []any
	file   string
	n      int64
	shown  func() string // the row as text, for the table of rejects
}

func (f Flow[T]) spec() (tableSpec, error) {
	s := tableSpec{flow: f.Flow, table: f.Table}
	var errs []error
	if f.Flow == "" || f.Table == "" || f.Read == nil || len(f.Columns) == 0 {
		errs = append(errs, fmt.Errorf("Flow %q, Table %q, Read and Columns are required", f.Flow, f.Table))
	}
	for _, c := range f.Columns {
		if c.Name == "" || c.Value == nil {
			errs = append(errs, fmt.Errorf("column %q needs a name and a Value", c.Name))
		}
		s.columns = append(s.columns, columnSpec{c.Name, canonical(c.Type)})
	}
	s.rows = func(ctx context.Context, u *delivery.Unit, take func(row) error) error {
		for r, err := range delivery.Rows(ctx, u, f.Flow, f.Read) {
			if err != nil {
				return err
			}
			values := make([]any, len(f.Columns))
			for i := range f.Columns {
				values[i] = f.Columns[i].Value(&r.Value)
			}
			if err := take(row{values, r.Key, r.N, func() string { return show(r.Value) }}); err != nil {
				return err
			}
		}
		return nil
	}
	return s, errors.Join(errs...)
}

// show is a row as JSON, or as Go shows it.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(b)
}

// identifier is the name of a table, with its schema if it has one.
func identifier(table string) pgx.Identifier {
	if schema, name, ok := strings.Cut(table, "."); ok {
		return pgx.Identifier{schema, name}
	}
	return pgx.Identifier{table}
}

func (s *tableSpec) names() (names []string) {
	for _, c := range s.columns {
		names = append(names, c.name)
	}
	return names
}
