package bykey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// Options are the optional settings of a Reader; nil means all defaults.
type Options struct {
	// Prefix is that of the job: sink.Options.Prefix.
	Prefix string

	// Poll is how long a Reader waits before it looks again for what is not there yet.
	//
	// Defaults to 2 seconds. -1 does not wait: reading ends at the end.
	Poll time.Duration

	// Ledger is the identity of the ledger that the caller's positions belong to, as Reader.Ledger told it when the first of
	// them was stored. Open refuses another one: a job that was begun anew counts its entries anew.
	//
	// Defaults to none: it is not compared.
	Ledger string

	// From leaves rows of earlier hours out of transactions, except late ones, and does not read their packs. It is for who has
	// these rows from Reader.Hours.
	//
	// Defaults to none: all rows are read.
	From time.Time

	// Format is the flow's format if that makes its own files, such as Avro. It makes the text of a Part of rows in a pack. Without it
	// such a flow is read by Hours only.
	//
	// Defaults to none: files are a header and rows behind it, as those of JSON lines and CSV.
	Format format.Joiner

	// Late also yields rows that came after their hour had closed. Those of a flow without Merge come with their path. Those of a
	// merged flow lie in one file for each transaction and hour, with the rows of all keys: they come whole, as a Part whose
	// Path is nil, and the caller takes those that are his.
	//
	// Defaults to false: no late row is read.
	Late bool
}

// Reader reads a flow by key. It is safe for concurrent use, and many keys that are read by one Reader share what it knows of
// packs.
type Reader struct {
	store     sink.Store // as it is: its readers try again themselves
	job, flow string
	opts      Options
	ledger    string
	layout    files.Layout
	content   *content.Reader
}

// Open opens a Reader of a flow. It reads the ledger of the job as sink.Inspect does. The error matches fs.ErrNotExist if the
// job has not begun. A flow that the job never wrote is an error, too, and so is a ledger that is not Options.Ledger.
func Open(ctx context.Context, store sink.Store, job, flow string, opts *Options) (*Reader, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	read := &sink.ReadOptions{Prefix: o.Prefix}
	there, err := sink.HasFlow(ctx, store, job, flow, read)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("bykey: the job %q has no flow %q: compare the name with that in the job's flows; the folders below %q show which there are", job, flow, cmp.Or(o.Prefix, "/"))
	}
	state, err := sink.Inspect(ctx, store, job, read)
	if err != nil {
		return nil, err
	}
	tail, err := sink.FindTail(ctx, store, job, state.Entry, read)
	if err != nil {
		return nil, err
	}
	if o.Ledger != "" && o.Ledger != tail.Ledger {
		return nil, fmt.Errorf("bykey: the positions belong to the ledger %q of job %q, and this is %q: the job was begun anew, or the bucket is another one. Begin at 0, with nothing of the rows read before",
			o.Ledger, job, tail.Ledger)
	}
	var joins []format.Joiner
	if o.Format != nil {
		joins = append(joins, o.Format)
	}
	return &Reader{
		store: store, job: job, flow: flow, opts: o, ledger: tail.Ledger,
		layout: files.Layout{Prefix: o.Prefix, Job: job, Hour: tail.Hour}, content: content.New(retry.New(store, env.From(ctx)), joins...),
	}, nil
}

// Ledger is the identity of the job's ledger: store it with the first position, see Options.Ledger.
func (r *Reader) Ledger() string { return r.ledger }

// Transactions yields the transactions behind the entry after, in their order, once all their files are visible: also those that have
// nothing of the keys, so that the position moves on. after is 0, or the Entry of the last Unit whose rows have had their
// effect. Reading waits for more until ctx is done; then it ends without an error. If limit is not 0 it ends behind the
// transaction with which the rows that were taken from Units become limit or more.
//
// An error ends it; what was yielded before is right. It is a *sink.PositionError if the ledger does not have the entry after, and
// a *sink.LostError if entries behind it were deleted.
func (r *Reader) Transactions(ctx context.Context, keys []Path, after uint64, limit int64) iter.Seq2[*Unit, error] {
	return func(yield func(*Unit, error) bool) {
		w, err := choose(keys)
		if err != nil {
			yield(nil, err)
			return
		}
		rows := int64(0)
		for m, err := range sink.Committed(ctx, r.store, r.job, after, r.read()) {
			if err != nil {
				yield(nil, err)
				return
			}
			u := &Unit{Entry: m.Entry, reader: r, wanted: w, files: m.Files, packs: m.Packs, after: after}
			if !yield(u, nil) {
				return
			}
			if rows += u.taken; limit > 0 && rows >= limit {
				return
			}
		}
	}
}

// Hours yields the sealed hours, from the one that begins at from on or the first sealed one if that is later, each with the rows
// of the keys: those of all its transactions. It waits for more until ctx is done; then it ends without an error. An error ends
// it; what was yielded before is right.
func (r *Reader) Hours(ctx context.Context, keys []Path, from time.Time) iter.Seq2[*Unit, error] {
	return func(yield func(*Unit, error) bool) {
		w, err := choose(keys)
		if err != nil {
			yield(nil, err)
			return
		}
		for m, err := range sink.Hours(ctx, r.store, r.job, from, r.read()) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&Unit{Entry: m.Entry, Hour: m.Hour, reader: r, wanted: w, files: m.Files}, nil) {
				return
			}
		}
	}
}

func (r *Reader) read() *sink.ReadOptions {
	return &sink.ReadOptions{Prefix: r.opts.Prefix, Poll: r.opts.Poll}
}

// wanted is the keys of a caller.
type wanted struct {
	byFolders map[string]Path
	folders   []string
	choice    *content.Choice // of folders
	names     []Path          // those that differ in names
	met       atomic.Bool     // folders with such names
}

func choose(keys []Path) (*wanted, error) {
	if len(keys) == 0 {
		return nil, errors.New("bykey: no keys were asked for")
	}
	w := &wanted{byFolders: map[string]Path{}}
	for _, k := range keys {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("bykey: %w", err)
		}
		f := k.String()
		if w.byFolders[f] == nil {
			w.byFolders[f] = k
			w.folders = append(w.folders, f)
		}
		if !w.fit(f) {
			w.names = append(w.names, k)
		}
	}
	w.choice = content.Choose(w.folders)
	return w, nil
}

// fit reports whether folders have the names of one of the keys.
func (w *wanted) fit(folders string) bool {
	for _, k := range w.names {
		if k.fits(folders) {
			return true
		}
	}
	return false
}
