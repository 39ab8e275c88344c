// Command release tidies the modules of this repository, compares them with the last release, and prepares the next. The
// Makefile has a target for each of its uses.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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
		return fmt.Errorf("say what to do: tidy, prepare or api")
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
	case "prepare":
		version := f.String("version", "", "the version of all modules, such as v0.1.0")
		cache := f.String("modules", filepath.Join(os.TempDir(), "onceflow-release-modules"), "where the modules of others are kept from one call to the next")
		quick := f.Bool("quick", false, "only try it: no vet, no tests, and nothing is left to push")
		_ = f.Parse(args[1:])
		return prepare(ctx, release.Options{Root: root, Version: *version, Modules: *cache, Tests: !*quick, NoVet: *quick, Say: os.Stdout})
	case "api":
		apidiff := f.String("apidiff", "apidiff", "the program of golang.org/x/exp/cmd/apidiff")
		_ = f.Parse(args[1:])
		return release.API(ctx, root, *apidiff, os.Stdout)
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

func prepare(ctx context.Context, o release.Options) (err error) {
	if o.Dir, err = os.MkdirTemp("", "release-"); err != nil {
		return err
	}
	defer func() {
		if err != nil || !o.Tests {
			err = errors.Join(err, os.RemoveAll(o.Dir))
		}
	}()
	r, err := release.Prepare(ctx, o)
	if err != nil {
		return err
	}
	printed, err := r.Outside(ctx, filepath.Join(r.Clone, "internal", "outside"), filepath.Join(o.Dir, "outside"), o.Say)
	if err != nil {
		return err
	}
	fmt.Print(printed)
	if !o.Tests {
		return nil
	}
	fmt.Printf("\n%s is ready in %s. To publish it:\n\n\tcd %s\n\tgit push %s HEAD:main", r.Version, r.Clone, r.Clone, "https://"+r.Modules[0].Path)
	for _, m := range r.Modules {
		fmt.Printf(" %s", m.Tag(r.Version))
	}
	fmt.Println()
	return nil
}
