package file_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A job writes its records into a folder, as lines below day and hour.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "onceflow")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := file.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

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

	files, err := filepath.Glob(filepath.Join(dir, "words/day=2025-05-01/hour=12/*.txt"))
	if err != nil || len(files) != 1 {
		log.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// tea
	// cup
}
