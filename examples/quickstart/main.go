// Command quickstart makes sealed, compressed hourly files of a million events, on this disk and without a server. Kill it
// at any moment and run it again: it goes on from its last commit and ends with the same rows.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -in FILE... -time FIELD -by FIELD -id FIELD -out DIR
//	go run ./examples/quickstart -in access.csv -time date,time -zone Europe/Warsaw
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/examples/internal/clickstream"
	"github.com/onceflow/onceflow/examples/internal/quick"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

const job = "quickstart"

// click is an event of the generated clickstream.
type click struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Visitor  string    `json:"visitor"`
	Session  string    `json:"session"`
	Page     string    `json:"page"`
	Referrer string    `json:"referrer,omitempty"`
	Country  string    `json:"country"`
	Agent    string    `json:"agent"`
	Millis   int       `json:"ms"`
}

func parseClick(r *stream.Record) (c click, err error) {
	err = json.Unmarshal(r.Value, &c) // an error sends the line to the dead-letter flow
	return c, err
}

func (c *click) eventTime() time.Time { return c.Time }
func (c *click) isView() bool         { return c.Kind == "view" }
func (c *click) isClick() bool        { return c.Kind == "click" }

// runClicks reads the generated clickstream.
func runClicks(ctx context.Context, o *quick.Options, out io.Writer, terminal *os.File) error {
	in := o.Out + "-input"
	if err := clickstream.Generate(in, o.Seed, o.Events); err != nil {
		return fmt.Errorf("cannot make the clickstream: %w", err)
	}
	fmt.Fprintf(out, "%s: a clickstream of %d events in %d files\n", in, o.Events, clickstream.Partitions)
	src, err := file.Open(file.Config{Dir: in}, &file.Options{Name: "clickstream"})
	if err != nil {
		return err
	}
	defer src.Close()
	clicks := stream.Via(stream.From(src), stream.Decode(parseClick, (*click).eventTime))
	return runJob(ctx, o, "clickstream", clicks, []sink.Flow[click]{
		{Name: "views", Where: (*click).isView, Format: format.JSONLines[click](), Codec: o.Codec},
		{Name: "clicks", Where: (*click).isClick, Format: format.JSONLines[click](), Codec: o.Codec},
	}, terminal)
}

// runOwn reads the user's files.
func runOwn(ctx context.Context, o *quick.Options, out io.Writer, terminal *os.File) error {
	src, lines, flows, err := quick.Open(ctx, o, out)
	if err != nil {
		return err
	}
	defer src.Close()
	return runJob(ctx, o, "own", lines, flows, terminal)
}

// runJob writes the flows of an input, by its name, to the output folder. It returns nil once all is read, committed and sealed,
// or once ctx has ended and what was read is committed.
func runJob[T any](ctx context.Context, o *quick.Options, input string, events stream.Pipe[T], flows []sink.Flow[T], terminal *os.File) error {
	store, err := sinkfile.Open(o.Out, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	if was, err := sink.Inspect(ctx, store, job, nil); err == nil && len(was.Topics) > 0 && was.Topics[0] != input {
		return fmt.Errorf("%s holds the output of other input, %s: choose another -out, or delete it", o.Out, was.Topics)
	}
	files, err := sink.Open(ctx, store, job, flows, nil)
	if err != nil {
		return err
	}
	err = stream.Run(ctx, events, seal.Hourly(files, nil), &stream.Options{CommitEvery: o.Commit, Progress: terminal})
	if err != nil {
		return fmt.Errorf("%w\nNothing is lost: %s keeps what was committed. Once that is mended, the same command goes on from there", err, o.Out)
	}
	return nil
}

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(200 << 20) // stream.Options.Memory follows it
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := quickstart(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, quick.ErrUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// quickstart is the whole program.
func quickstart(ctx context.Context, args []string, out io.Writer, terminal *os.File) error {
	o, err := quick.Parse(args, terminal)
	if err != nil {
		return err
	}
	run, begin := runClicks, time.Now()
	if len(o.In) > 0 {
		run = runOwn
	}
	err = run(ctx, o, out, terminal)
	switch {
	case err != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(out, "\nStopped before the first commit. Run it again.")
		return nil
	case err != nil:
		return err
	}
	return quick.Report(context.WithoutCancel(ctx), job, o, out, time.Since(begin), ctx.Err() != nil)
}
