package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/delivery"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

// workerOf is the worker of an advertiser.
func workerOf(advertiser string, workers int) int {
	h := fnv.New32a()
	h.Write([]byte(advertiser))
	return int(h.Sum32() % uint32(workers))
}

// mine are the paths of a worker's advertisers.
func mine(o *options) (paths []bykey.Path) {
	for n := range o.advertisers {
		if a := advertiser(n); workerOf(a, o.workers) == o.n {
			paths = append(paths, bykey.Path{{Name: keyName, Value: a}})
		}
	}
	return paths
}

// runWorker pulls the rows of its advertisers, transaction by transaction. What it makes of them is a line in a bill; the bill of
// a transaction is one file, whose name is the position. So the effect and the position are kept in one step, the
// renaming, and a worker that is killed goes on behind the last file that is there. A database has transactions for that.
func runWorker(ctx context.Context, o *options) error {
	paths := mine(o)
	if len(paths) == 0 {
		return nil
	}
	store, err := sinkfile.Open(o.output(), nil)
	if err != nil {
		return err
	}
	defer store.Close()
	b, err := openBills(o.worker(o.n))
	if err != nil {
		return err
	}
	r, err := open(ctx, o, store)
	if err != nil {
		return err
	}
	for u, err := range r.Transactions(ctx, paths, b.position, 0) {
		if err != nil {
			return err
		}
		bill, err := billOf(ctx, u)
		if err != nil {
			return err
		}
		if err := b.keep(u.Entry, bill); err != nil {
			return err
		}
	}
	return nil
}

// open waits for the job to begin.
func open(ctx context.Context, o *options, store *sinkfile.Store) (*bykey.Reader, error) {
	opts := &bykey.Options{Poll: o.commit / 2}
	if o.drain {
		opts.Poll = -1
	}
	for {
		r, err := bykey.Open(ctx, store, jobName, flowName, opts)
		if !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
		select {
		case <-time.After(o.commit / 2):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// billOf has a line for each click of a transaction.
func billOf(ctx context.Context, u *bykey.Unit) (bill []byte, err error) {
	for p, err := range u.Parts(ctx) {
		if err != nil {
			return nil, err
		}
		for c, err := range bykey.Rows(ctx, p, delivery.JSONLines[click]()) {
			if err != nil {
				return nil, err
			}
			bill = fmt.Appendf(bill, "%d\t%.2f\t%q\n", c.ID, c.Cost, p.Path[0].Value)
		}
	}
	return bill, nil
}

// bills is a folder of them.
type bills struct {
	dir      string
	position uint64 // the entry of the last one
}

const billExt = ".bill"

func openBills(dir string) (*bills, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir) // in the order of names
	if err != nil {
		return nil, err
	}
	b := &bills{dir: dir}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), billExt)
		if !ok {
			continue // of a worker that was killed while it wrote
		}
		if b.position, err = strconv.ParseUint(name, 10, 64); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// keep keeps the bill of a transaction, unless it is empty: then the position need not move, and is only read again after a crash.
func (b *bills) keep(entry uint64, bill []byte) error {
	if len(bill) == 0 {
		return nil
	}
	name := filepath.Join(b.dir, fmt.Sprintf("%020d", entry))
	if err := os.WriteFile(name+".tmp", bill, 0o666); err != nil {
		return err
	}
	b.position = entry
	return os.Rename(name+".tmp", name+billExt)
}
