// Command release tidies the modules of this repository, compares them with the last release, and prepares the next. The
// Makefile has a target for each of its uses.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"github.com/onceflow/onceflow/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to do: tidy")
	}
	top, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return fmt.Errorf("the repository's root: %w", err)
	}
	root := strings.TrimSpace(string(top))
	switch f := flag.NewFlagSet(args[0], flag.ExitOnError); args[0] {
	case "tidy":
		check := f.Bool("check", false, "change nothing, and fail if a module is not tidy")
		_ = f.Parse(args[1:])
		return tidy(ctx, root, *check)
	default:
		return fmt.Errorf("%q is nothing that can be done", args[0])
	}
}

func tidy(ctx context.Context, root string, check bool) error {
	all, err := release.Modules(ctx, root)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := release.Tidy(ctx, root, all, m, check); err != nil {
			return fmt.Errorf("module %s: %w", m.Path, err)
		}
	}
	return nil
}
