// Command verify checks an output folder from outside. It shares no code with the library: it was written from
// docs/format.md alone, reads the ledger, manifests, seals and files, counts rows and checksums again, folds the ledger by
// itself, and compares.
//
//	go run ./examples/verify DIR [-job NAME]
//
// It prints what it checked and exits with 0; with 1 after the first violations, each with its place; or with 2 if it
// could not check. It only reads. A job may run meanwhile: what it has not finished yet is not held against it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(errOut)
	job := flags.String("job", "", "check this job only; default: all jobs of the folder")
	most := flags.Int("max", 20, "print so many violations")
	flags.Usage = func() {
		fmt.Fprintln(errOut, "usage: verify DIR [-job NAME]")
		flags.PrintDefaults()
	}
	dir, err := parse(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	r := &report{out: out, most: *most}
	if err := verify(ctx, folder(dir), *job, r); err != nil {
		fmt.Fprintf(errOut, "verify: cannot check %s: %v\n", dir, err)
		return 2
	}
	if r.violations > 0 {
		fmt.Fprintf(out, "%d violations\n", r.violations)
		return 1
	}
	fmt.Fprintln(out, "all is well")
	return 0
}

// parse takes flags before and after the folder.
func parse(flags *flag.FlagSet, args []string) (dir string, err error) {
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if dir = flags.Arg(0); flags.NArg() > 1 {
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return "", err
		}
		if flags.NArg() > 0 {
			dir = ""
		}
	}
	if dir == "" {
		flags.Usage()
		return "", errors.New("no folder")
	}
	return dir, nil
}
