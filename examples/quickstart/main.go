// Command quickstart makes sealed, compressed hourly files of a million events, on this disk and without a server. Kill it
// at any moment and run it again: it goes on from its last commit and ends with the same rows.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -in FILE... -time FIELD -by FIELD -out DIR
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(200 << 20) // stream.Options.Memory follows it
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := quickstart(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// quickstart is the whole program.
func quickstart(ctx context.Context, args []string, out io.Writer, terminal *os.File) error {
	o, err := parseFlags(args, terminal)
	if err != nil {
		return err
	}
	begin := time.Now()
	if len(o.in) == 0 {
		err = runClicks(ctx, o, out, terminal)
	} else {
		err = runOwn(ctx, o, out, terminal)
	}
	if err != nil && errors.Is(err, ctx.Err()) {
		fmt.Fprintln(out, "\nStopped before the first commit. Run it again.")
		return nil
	}
	if err != nil {
		return err
	}
	return report(context.WithoutCancel(ctx), o, out, time.Since(begin), ctx.Err() != nil)
}
