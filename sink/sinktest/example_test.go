package sinktest_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A test of a job looks at what it wrote, in memory. The store loses the reply of every fifth call, which changes nothing.
func Example() {
	ctx, memory := context.Background(), sinktest.NewMemory()
	store := sinktest.NewFaulty(memory, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.N%5 == 4 && c.Op != sinktest.OpWrite && c.Op != sinktest.OpClose {
			return sinktest.ApplyThenFail
		}
		return sinktest.Pass
	})
	in := streamtest.NewLog(1)
	in.Append(0, 0, time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC), "tea", "cup")
	in.EndAll()
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[stream.Record]{{Name: "words", Format: format.Raw(".txt")}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := stream.Run(ctx, stream.From(in.Source(nil)), out, nil); err != nil {
		log.Fatal(err)
	}
	for o, err := range memory.List(ctx, "words/", "") {
		if err != nil {
			log.Fatal(err)
		}
		text, err := memory.Read(ctx, o.Key, 1<<20)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(string(text))
	}
	// Output:
	// tea
	// cup
}
