// Command servers installs the test servers into the cache:
//
//	go run ./internal/servers/cmd/servers install [NAME...]
package main

import (
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/internal/servers"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	c, err := servers.Open()
	if err != nil {
		return err
	}
	installs := servers.Installs()
	names := slices.Sorted(maps.Keys(installs))
	if len(args) == 0 || args[0] != "install" {
		return fmt.Errorf("usage: servers install [NAME...]\nNAME is one of %v; all without one", names)
	}
	if len(args) > 1 {
		names = args[1:]
	}
	for _, n := range names {
		f := installs[n]
		if f == nil {
			return fmt.Errorf("no server %q", n)
		}
		begin := time.Now()
		dir, err := f(ctx, c)
		if err != nil {
			return err
		}
		fmt.Printf("%-14s %6.1f s  %s\n", n, time.Since(begin).Seconds(), dir)
	}
	return nil
}
