package stream

import (
	"context"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// commits are the transactions of a process: one is open, and one before it may be committing. The conductor uses them.
type commits[T any] struct {
	out     driver.Output[T]
	workers pool[T]
	log     *slog.Logger

	open     driver.Txn[T] // nil while all begins again
	spoilt   error         // why it cannot commit: all begin again once the one before is over
	want     string        // reason for a cut that is due; "" is none
	timer    *time.Timer   // for the next cut
	running  *commit[T]
	done     chan *commit[T]
	failures int // commits that failed since one succeeded
}

// begin opens a transaction on top of the ledger.
func (c *commits[T]) begin() {
	open := c.out.Begin(nil)
	c.open = open
	for _, w := range c.workers {
		w.do(func(context.Context) error { w.open = open; return nil })
	}
}

// drop gives the open transaction up. If that leaves staged files behind, the sweeper takes them.
func (c *commits[T]) drop(ctx context.Context) {
	if c.open == nil {
		return
	}
	if err := c.open.Drop(ctx); err != nil {
		c.log.Warn("drop of the open transaction failed", "error", err)
	}
	c.open = nil
}

// worked notes that a commit has succeeded: what failed before has passed.
func (c *commits[T]) worked(b *statusBoard) {
	c.failures = 0
	b.passed(&b.work)
}
