package postgres_test

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/postgres"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

// view is a row of the job's flow of views.
type view struct {
	ID   string `json:"id"`
	User int64  `json:"user"`
}

// The rows of a job's flow go to a table, each once. The table is made if it is missing.
func ExampleOpen() {
	run := func(ctx context.Context, folder, url string) error {
		pool, err := pgxpool.New(ctx, url)
		if err != nil {
			return err
		}
		defer pool.Close()
		store, err := sinkfile.Open(folder, nil)
		if err != nil {
			return err
		}
		target, err := postgres.Open(ctx, pool, []postgres.Table{postgres.Flow[view]{
			Flow: "views", Table: "views", Read: delivery.JSONLines[view](),
			Columns: []postgres.Column[view]{
				{Name: "id", Type: "text", Value: func(v *view) any { return v.ID }},
				{Name: "user", Type: "bigint", Value: func(v *view) any { return v.User }},
			},
		}}, &postgres.Options{Create: true})
		if err != nil {
			return err
		}
		d, err := delivery.Open(ctx, store, "etl", "postgres", target, &delivery.Options{Flows: []string{"views"}})
		if err != nil {
			return err
		}
		return d.Run(ctx) // until ctx ends
	}
	_ = run // with a real folder and a real server
}
