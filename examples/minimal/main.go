// Command minimal is the program that the README shows: a folder of JSON lines becomes sealed, compressed hourly files.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

type hit struct {
	ID, Kind string
	At       time.Time
}

func parse(r *stream.Record) (h hit, err error) {
	err = json.Unmarshal(r.Value, &h)
	return h, err
}

func (h *hit) time() time.Time { return h.At }
func (h *hit) isClick() bool   { return h.Kind == "click" }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, in, out string) error {
	src, err := file.Open(file.Config{Dir: in}, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	store, err := sinkfile.Open(out, nil)
	if err != nil {
		return err
	}
	hits := stream.Via(stream.From(src), stream.Decode(parse, (*hit).time)) // what fails goes to the dead-letter flow
	files, err := sink.Open(ctx, store, "etl", []sink.Flow[hit]{
		{Name: "all", Format: format.JSONLines[hit](), Codec: codec.Gzip},
		{Name: "clicks", Where: (*hit).isClick, Format: format.JSONLines[hit](), Codec: codec.Gzip},
	}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, hits, seal.Hourly(files, nil), nil) // nil once all is read, written and sealed
}
