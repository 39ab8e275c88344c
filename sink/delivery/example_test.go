package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type hit struct {
	ID int       `json:"id"`
	At time.Time `json:"at"`
}

func parse(r *stream.Record) (h hit, err error) { return h, json.Unmarshal(r.Value, &h) }
func (h *hit) time() time.Time                  { return h.At }

// A job writes hourly files, and a function gets the rows of each hour once it is sealed. The function knows an hour by its ID,
// since after a crash it may get it once more.
func Example() {
	ctx, store := context.Background(), sinktest.NewMemory()
	if err := job(ctx, store); err != nil {
		log.Fatal(err)
	}
	loaded := map[string]bool{} // in real life a table
	target := delivery.Func(func(ctx context.Context, u *delivery.Unit) error {
		if loaded[u.ID] {
			return nil
		}
		for row, err := range delivery.Rows(ctx, u, "hits", delivery.JSONLines[hit]()) {
			if err != nil {
				return err
			}
			fmt.Println("hour", u.Cursor.Hour.Hour(), "has hit", row.Value.ID)
		}
		loaded[u.ID] = true
		return nil
	})
	d, err := delivery.Open(ctx, store, "etl", "printer", target, &delivery.Options{Hourly: true, Ordered: true, Poll: -1})
	if err != nil {
		log.Fatal(err)
	}
	if err := d.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("rows:", d.Status().Rows)
	// Output:
	// hour 6 has hit 1
	// hour 6 has hit 2
	// hour 7 has hit 3
	// rows: 3
}

// job is any job: here a log that ends, and hourly files.
func job(ctx context.Context, store sink.Store) error {
	src := streamtest.NewLog(1)
	for i, minutes := range []int{10, 50, 70} {
		at := time.Date(2025, 5, 1, 6, minutes, 0, 0, time.UTC)
		src.Append(0, 0, at, fmt.Sprintf(`{"id":%d,"at":%q}`, i+1, at.Format(time.RFC3339)))
	}
	src.EndAll()
	hits := stream.Via(stream.From(src.Source(nil)), stream.Decode(parse, (*hit).time))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit](), Codec: codec.Gzip}}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, hits, seal.Hourly(out, nil), nil)
}
