package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/sink/audit"
)

// Options are the optional settings of Open; nil means all defaults.
type Options struct {
	// Table is the name of the table, perhaps behind that of a schema and a dot. Open makes it if it is missing.
	//
	// Defaults to onceflow_batches.
	Table string

	// Timeout bounds each request.
	//
	// Defaults to 30 seconds.
	Timeout time.Duration
}

// Registry is an audit.Registry in a table. It is safe for concurrent use.
type Registry struct {
	pool    *pgxpool.Pool
	name    string
	table   string // as SQL has it
	timeout time.Duration
}

// Open makes the registry of the source name in the database of a pool, which stays the caller's.
func Open(ctx context.Context, pool *pgxpool.Pool, name string, opts *Options) (*Registry, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if pool == nil || name == "" || o.Timeout < 0 {
		return nil, fmt.Errorf("postgres: a pool and a name of the source are required, and Timeout %s must not be negative", o.Timeout)
	}
	g := &Registry{pool: pool, name: name, timeout: cmp.Or(o.Timeout, 30*time.Second)}
	g.table = identifier(cmp.Or(o.Table, "onceflow_batches"))
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	var synchronous string
	if err := pool.QueryRow(ctx, "show synchronous_commit").Scan(&synchronous); err != nil {
		return nil, fmt.Errorf("postgres: cannot open the registry: %w", classify(err))
	}
	if synchronous == "off" {
		return nil, errors.New("postgres: synchronous_commit is off, so a crash of the server would lose batches whose clients were told that they are accepted; " +
			"set it for the user of the registry: alter role ... set synchronous_commit = on")
	}
	return g, g.create(ctx)
}

// create makes the table if it is missing.
func (g *Registry) create(ctx context.Context) error {
	var there bool
	if err := g.pool.QueryRow(ctx, "select to_regclass($1) is not null", g.table).Scan(&there); err != nil {
		return fmt.Errorf("postgres: look for table %s: %w", g.table, classify(err))
	}
	if there {
		return nil
	}
	_, err := g.pool.Exec(ctx, `create table if not exists `+g.table+` (
		source text not null,
		batch  bytea not null,
		lines  integer not null,
		bytes  bigint not null,
		oldest bigint not null, -- event time, in milliseconds since 1970
		primary key (source, batch, lines, bytes, oldest))`)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "23505" || pg.Code == "42P07" || pg.Code == "42710") { // another process makes it
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgres: create table %s: %w", g.table, classify(err))
	}
	return nil
}

// identifier quotes the name of a table, and that of its schema.
func identifier(name string) string {
	for i := range name {
		if name[i] == '.' {
			return pgx.Identifier{name[:i], name[i+1:]}.Sanitize()
		}
	}
	return pgx.Identifier{name}.Sanitize()
}

// Register inserts a row.
func (g *Registry) Register(ctx context.Context, r audit.Registration) error {
	if err := r.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	_, err := g.pool.Exec(ctx, "insert into "+g.table+" (source, batch, lines, bytes, oldest) values ($1, $2, $3, $4, $5) on conflict do nothing",
		g.name, r.ID[:], r.Lines, r.Bytes, r.Oldest.UnixMilli())
	if err != nil {
		return fmt.Errorf("postgres: register batch %s: %w", r.ID, classify(err))
	}
	return nil
}

// page is how many rows are read at once, and deleted at once.
const page = 10_000

// List reads pages in the order of the primary key, each in a statement of its own.
func (g *Registry) List(ctx context.Context, from, to time.Time) iter.Seq2[audit.Registration, error] {
	return func(yield func(audit.Registration, error) bool) {
		first, end := audit.FirstID(from), audit.FirstID(to)
		last := audit.Registration{ID: first} // a batch has at least one line
		for {
			rows, err := g.page(ctx, &last, end)
			if err != nil {
				yield(audit.Registration{}, fmt.Errorf("postgres: list batches: %w", classify(err)))
				return
			}
			for i := range rows {
				if !yield(rows[i], nil) {
					return
				}
			}
			if len(rows) < page {
				return
			}
			last = rows[len(rows)-1]
		}
	}
}

func (g *Registry) page(ctx context.Context, last *audit.Registration, end audit.ID) ([]audit.Registration, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	rows, err := g.pool.Query(ctx, "select batch, lines, bytes, oldest from "+g.table+
		" where source = $1 and (batch, lines, bytes, oldest) > ($2, $3, $4, $5) and batch < $6 order by batch, lines, bytes, oldest limit $7",
		g.name, last.ID[:], last.Lines, last.Bytes, max(0, last.Oldest.UnixMilli()), end[:], page)
	if err != nil {
		return nil, err
	}
	var (
		all    []audit.Registration
		id     []byte
		r      audit.Registration
		oldest int64
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &r.Lines, &r.Bytes, &oldest}, func() error {
		if len(id) != len(r.ID) {
			return fmt.Errorf("batch %x is no ID: %w", id, fs.ErrInvalid)
		}
		copy(r.ID[:], id)
		r.Oldest = time.UnixMilli(oldest).UTC()
		all = append(all, r)
		return nil
	})
	return all, err
}

// Expire deletes old rows, some thousand in a statement.
func (g *Registry) Expire(ctx context.Context, before time.Time) error {
	end := audit.FirstID(before)
	for {
		n, err := g.delete(ctx, end)
		if err != nil {
			return fmt.Errorf("postgres: delete batches before %s: %w", before.UTC().Format(time.RFC3339), classify(err))
		}
		if n == 0 {
			return nil
		}
	}
}

func (g *Registry) delete(ctx context.Context, end audit.ID) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	tag, err := g.pool.Exec(ctx, "delete from "+g.table+" where ctid = any(array(select ctid from "+g.table+
		" where source = $1 and batch < $2 limit $3))", g.name, end[:], page)
	return tag.RowsAffected(), err
}

// classify tells what trying again does not mend.
func classify(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) < 2 {
		return err
	}
	switch {
	case pg.Code == "42501" || pg.Code[:2] == "28": // privileges, login
		return fmt.Errorf("%w (%w)", err, fs.ErrPermission)
	case pg.Code[:2] == "42" || pg.Code[:2] == "3D" || pg.Code[:2] == "3F": // a table, database or schema that is missing, or another one
		return fmt.Errorf("%w (%w)", err, fs.ErrInvalid)
	}
	return err
}
