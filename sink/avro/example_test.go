package avro_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"github.com/twmb/avro/ocf"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A word has the schema of its tags.
type word struct {
	Text string `avro:"text"`
}

// A job writes records as Avro files, which a reader opens by the schema that they hold.
func Example() {
	ctx, store := context.Background(), sinktest.NewMemory()
	f, err := avro.For[word](&avro.Options{Codec: avro.Zstandard})
	if err != nil {
		log.Fatal(err)
	}
	in := streamtest.NewLog(1)
	in.Append(0, 0, time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC), "tea", "cup")
	in.EndAll()
	words := stream.Via(stream.From(in.Source(nil)), stream.Decode(func(r *stream.Record) (word, error) {
		return word{string(r.Value)}, nil
	}, nil))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[word]{{Name: "words", Format: f}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := stream.Run(ctx, words, out, nil); err != nil {
		log.Fatal(err)
	}
	for o, err := range store.List(ctx, "words/", "") {
		if err != nil {
			log.Fatal(err)
		}
		body, err := store.Read(ctx, o.Key, 1<<20)
		if err != nil {
			log.Fatal(err)
		}
		r, err := ocf.NewReader(bytes.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		for w := (word{}); r.Decode(&w) == nil; {
			fmt.Println(w.Text)
		}
	}
	// Output:
	// tea
	// cup
}
