package bykey_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type click struct {
	Advertiser string  `json:"advertiser"`
	Cost       float64 `json:"cost"`
}

func parse(r *stream.Record) (c click, err error) { return c, json.Unmarshal(r.Value, &c) }

// write is the job: it writes the clicks of a log by advertiser.
func write(ctx context.Context, src *streamtest.Log, store sink.Store) error {
	clicks := stream.Via(stream.From(src.Source(nil)), stream.Decode(parse, nil))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[click]{{
		Name: "clicks", Format: format.JSONLines[click](), Merge: true,
		Keys: []sink.Key[click]{{Name: "advertiser", Value: func(c *click) string { return c.Advertiser }}},
	}}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, clicks, seal.Hourly(out, nil), nil)
}

// A worker spends the budget of one advertiser. It stores the position with the sum, in one transaction of its database, so a
// crash never counts a click twice.
func Example() {
	ctx := context.Background()
	src, store := streamtest.NewLog(1), sinktest.NewMemory()
	src.Append(0, 0, noon, `{"advertiser":"17","cost":0.5}`, `{"advertiser":"a/b","cost":9}`, `{"advertiser":"17","cost":0.25}`)
	src.EndAll()
	if err := write(ctx, src, store); err != nil {
		log.Fatal(err)
	}

	var database struct {
		position uint64
		spent    float64
	}
	r, err := bykey.Open(ctx, store, "etl", "clicks", &bykey.Options{Poll: -1}) // without Poll it waits for more
	if err != nil {
		log.Fatal(err)
	}
	mine := []bykey.Path{{{Name: "advertiser", Value: "17"}}}
	for u, err := range r.Transactions(ctx, mine, database.position, 0) {
		if err != nil {
			log.Fatal(err)
		}
		spent := 0.0
		for p, err := range u.Parts(ctx) {
			if err != nil {
				log.Fatal(err)
			}
			for c, err := range bykey.Rows(ctx, p, delivery.JSONLines[click]()) {
				if err != nil {
					log.Fatal(err)
				}
				spent += c.Cost
			}
		}
		database.spent += spent // both in one transaction
		database.position = u.Entry
	}
	fmt.Println("spent", database.spent)
	// Output: spent 0.75
}
