package stream

import (
	"context"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// commits has the transactions of a process: the open one, and the one that is being committed. The conductor uses it.
type commits[T any] struct {
	out     driver.Output[T]
	workers pool[T]
	log     *slog.Logger

	open     driver.Txn[T] // nil during a restart
	spoilt   error         // why it cannot commit; all lanes begin again once the running commit is over
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
		w.inbox.do(func(context.Context) error { w.open = open; return nil })
	}
}

// drop gives the open transaction up. The sweeper deletes staged files that this leaves behind.
func (c *commits[T]) drop(ctx context.Context) {
	if c.open == nil {
		return
	}
	if err := c.open.Drop(ctx); err != nil {
		c.log.Warn("drop of the open transaction failed", "error", err)
	}
	c.open = nil
}

// worked notes that a commit succeeded, so earlier failures are over.
func (c *commits[T]) worked(b *statusBoard) {
	c.failures = 0
	b.passed(&b.work)
}
