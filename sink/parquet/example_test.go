package parquet_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/parquet"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A sale has the schema of its tags.
type sale struct {
	Item  string    `parquet:"item"`
	Cents int64     `parquet:"price,decimal(2:18)"`
	Note  *string   `parquet:"note"`
	At    time.Time `parquet:"at"`
}

// A job writes records as Parquet files. One whose price has too many digits is a dead letter.
func Example() {
	ctx, store := context.Background(), sinktest.NewMemory()
	f, err := parquet.For[sale](nil)
	if err != nil {
		log.Fatal(err)
	}
	in := streamtest.NewLog(1)
	noon := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	in.Append(0, 0, noon, "tea 350", "ring 1000000000000000000", "cup 999")
	in.EndAll()
	sales := stream.Via(stream.From(in.Source(nil)), stream.Decode(func(r *stream.Record) (s sale, err error) {
		_, err = fmt.Sscan(string(r.Value), &s.Item, &s.Cents)
		s.At = noon
		return s, err
	}, nil))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[sale]{{Name: "sales", Format: f}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := stream.Run(ctx, sales, out, nil); err != nil {
		log.Fatal(err)
	}
	for o, err := range store.List(ctx, "sales/", "") {
		if err != nil {
			log.Fatal(err)
		}
		body, err := store.Read(ctx, o.Key, 1<<20)
		if err != nil {
			log.Fatal(err)
		}
		file, err := pq.OpenFile(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(file.NumRows(), "rows with the columns", file.Schema().Columns())
	}
	// Output:
	// 2 rows with the columns [[item] [price] [note] [at]]
}
