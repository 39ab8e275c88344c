//go:build unix

package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	sinkfile "github.com/onceflow/onceflow/sink/file"
)

// cpu is the processor's time that this process has taken.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Rows per second of a delivery, and the processor's time that it takes of each, beside psql's copy of a CSV file with the same rows, one
// after the other.
func BenchmarkLoad(b *testing.B) {
	const n = 200_000
	pg := servers.Postgres(b)
	ctx := b.Context()
	psql := func(sql string) {
		b.Helper()
		if _, err := pg.Psql(ctx, sql); err != nil {
			b.Fatal(err)
		}
	}
	store, err := sinkfile.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	commitVisits(ctx, b, store, n)
	psql("drop table if exists visits; " + createVisits)
	pool, err := pgxpool.New(ctx, pg.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	file := filepath.Join(b.TempDir(), "visits.csv")
	round := 0
	for _, flow := range []string{"json", "csv", "tsv"} {
		b.Run(flow, func(b *testing.B) {
			var ours, theirs, worked time.Duration
			for b.Loop() {
				round++
				psql("truncate visits")
				before := cpu(b)
				ours += load(ctx, b, pool, store, flow, fmt.Sprintf("bench-%d", round))
				worked += cpu(b) - before
				if _, err := os.Stat(file); err != nil {
					psql(`\copy visits to ` + file + ` csv`)
				}
				psql("truncate visits")
				begun := time.Now()
				psql(`\copy visits from ` + file + ` csv`)
				theirs += time.Since(begun)
			}
			b.ReportMetric(float64(n*b.N)/ours.Seconds(), "rows/s")
			b.ReportMetric(float64(n*b.N)/theirs.Seconds(), "psql-rows/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-psql")
			b.ReportMetric(float64(worked.Nanoseconds())/float64(n*b.N), "cpu-ns/row")
		})
	}
}
