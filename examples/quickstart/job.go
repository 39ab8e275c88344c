package main

import (
	"context"
	"fmt"
	"os"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/stream"
)

const job = "quickstart"

// runJob writes the flows of an input, by its name, to the output folder. It returns nil once all is read, committed and sealed, or once ctx has
// ended and what was read is committed.
func runJob[T any](ctx context.Context, o *options, input string, events stream.Pipe[T], flows []sink.Flow[T], terminal *os.File) error {
	store, err := sinkfile.Open(o.out, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	if was, err := sink.Inspect(ctx, store, job, nil); err == nil && len(was.Config.Topics) > 0 && was.Config.Topics[0] != input {
		return fmt.Errorf("%s holds the output of other input, %s: choose another -out, or delete it", o.out, was.Config.Topics)
	}
	files, err := sink.Open(ctx, store, job, flows, nil)
	if err != nil {
		return err
	}
	err = stream.Run(ctx, events, seal.Hourly(files, &seal.Options{JSON: true}), &stream.Options{
		CommitEvery: o.commit,
		Progress:    terminal,
	})
	if err != nil {
		return fmt.Errorf("%w\nNothing is lost: %s keeps what was committed. Once that is mended, the same command goes on from there", err, o.out)
	}
	return nil
}
