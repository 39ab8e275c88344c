package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/postgres"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// visit is a row of ten columns.
type visit struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	User    int64     `json:"user"`
	Site    string    `json:"site"`
	Page    string    `json:"page"`
	Agent   string    `json:"agent"`
	Country string    `json:"country"`
	Bytes   int64     `json:"bytes"`
	Seconds float64   `json:"seconds"`
	Bot     bool      `json:"bot"`
}

func (v *visit) time() time.Time { return v.At }

var visitHeader = []string{"id", "at", "user", "site", "page", "agent", "country", "bytes", "seconds", "bot"}

func visitFields(r *format.Row, v *visit) {
	r.Int(v.ID)
	r.Time(v.At)
	r.Int(v.User)
	r.String(v.Site)
	r.String(v.Page)
	r.String(v.Agent)
	r.String(v.Country)
	r.Int(v.Bytes)
	r.Float(v.Seconds)
	r.Bool(v.Bot)
}

const createVisits = `create table visits (id bigint, at timestamptz, "user" bigint, site text, page text, agent text, country text, bytes bigint,
	seconds double precision, bot boolean)`

// visits are the columns of a flow of visits.
func visits(flow string, read delivery.Reader[visit]) postgres.Flow[visit] {
	return postgres.Flow[visit]{Flow: flow, Table: "visits", Read: read, Columns: []postgres.Column[visit]{
		{Name: "id", Type: "bigint", Value: func(v *visit) any { return v.ID }},
		{Name: "at", Type: "timestamptz", Value: func(v *visit) any { return v.At }},
		{Name: "user", Type: "bigint", Value: func(v *visit) any { return v.User }},
		{Name: "site", Type: "text", Value: func(v *visit) any { return v.Site }},
		{Name: "page", Type: "text", Value: func(v *visit) any { return v.Page }},
		{Name: "agent", Type: "text", Value: func(v *visit) any { return v.Agent }},
		{Name: "country", Type: "text", Value: func(v *visit) any { return v.Country }},
		{Name: "bytes", Type: "bigint", Value: func(v *visit) any { return v.Bytes }},
		{Name: "seconds", Type: "double precision", Value: func(v *visit) any { return v.Seconds }},
		{Name: "bot", Type: "boolean", Value: func(v *visit) any { return v.Bot }},
	}}
}

// visitsOf reads a visit from fields of text, as CSV and TSV have them.
func visitsOf(f *delivery.Fields) (v visit, err error) {
	fields := []any{&v.ID, &v.At, &v.User, &v.Site, &v.Page, &v.Agent, &v.Country, &v.Bytes, &v.Seconds, &v.Bot}
	for i, to := range fields {
		text, _ := f.At(i)
		switch to := to.(type) {
		case *string:
			*to = text
		case *time.Time:
			*to, err = time.Parse(time.RFC3339, text)
		case *int64:
			*to, err = strconv.ParseInt(text, 10, 64)
		case *float64:
			*to, err = strconv.ParseFloat(text, 64)
		case *bool:
			*to, err = strconv.ParseBool(text)
		}
		if err != nil {
			return v, fmt.Errorf("%s: %w", visitHeader[i], err)
		}
	}
	return v, nil
}

// commitVisits is a job that writes n visits to flows of JSON lines, CSV and TSV.
func commitVisits(ctx context.Context, tb testing.TB, store sink.Store, n int) {
	tb.Helper()
	src := streamtest.NewLog(1)
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for i := range n {
		b, err := json.Marshal(visit{
			ID: int64(i + 1), At: at.Add(time.Duration(i) * time.Millisecond), User: int64(i * 7919 % 50000), Site: "shop", Page: fmt.Sprintf("/shop/%d, \"new\"", i%300),
			Agent: "Mozilla/5.0 (X11; Linux x86_64)", Country: "se", Bytes: int64(i*31%100000 + 1), Seconds: float64(i%1000) / 7, Bot: i%10 == 0,
		})
		if err != nil {
			tb.Fatal(err)
		}
		src.Append(0, 0, at, string(b))
	}
	src.EndAll()
	parse := func(r *stream.Record) (v visit, err error) { return v, json.Unmarshal(r.Value, &v) }
	hits := stream.Via(stream.From(src.Source(nil)), stream.Decode(parse, (*visit).time))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[visit]{
		{Name: "json", Format: format.JSONLines[visit](), Codec: codec.Zstd},
		{Name: "csv", Format: format.CSV(visitHeader, visitFields, nil), Codec: codec.Gzip},
		{Name: "tsv", Format: format.TSV(visitHeader, visitFields)},
	}, nil)
	if err == nil {
		err = stream.Run(ctx, hits, out, nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

var visitFlows = map[string]delivery.Reader[visit]{
	"json": delivery.JSONLines[visit](), "csv": delivery.CSV(visitHeader, visitsOf, nil), "tsv": delivery.TSV(visitHeader, visitsOf),
}

// load delivers a flow, and returns how long the load took, without the opening.
func load(ctx context.Context, tb testing.TB, pool *pgxpool.Pool, store sink.Store, flow, name string) time.Duration {
	tb.Helper()
	target, err := postgres.Open(ctx, pool, []postgres.Table{visits(flow, visitFlows[flow])}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := delivery.Open(ctx, store, "etl", name, target, &delivery.Options{Poll: -1, Flows: []string{flow}, Logger: quiet})
	if err != nil {
		tb.Fatal(err)
	}
	begun := time.Now()
	if err := d.Run(ctx); err != nil {
		tb.Fatal(err)
	}
	return time.Since(begun)
}

func TestJSONLinesCSVAndTSVComeToTheSameRows(t *testing.T) {
	db := newDatabase(t)
	store, err := sinkfile.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	commitVisits(t.Context(), t, store, 1000)
	sums := map[string]string{}
	for flow := range visitFlows {
		db.exec("drop table if exists visits; " + createVisits)
		load(t.Context(), t, db.pool, store, flow, "load-"+flow)
		sums[flow] = db.query(`select count(*), count(distinct id), sum(id), sum("user"), md5(string_agg(v::text, ' ' order by id)), min(page) from visits v`)
	}
	if sums["json"] != sums["csv"] || sums["json"] != sums["tsv"] || len(sums["json"]) < 60 || sums["json"][:10] != "1000|1000|" {
		t.Errorf("the rows differ: %q", sums)
	}
}
