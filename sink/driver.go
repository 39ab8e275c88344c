package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// journal reads and appends to the ledger of one job. It does all I/O for the pure core in package ledger. It is safe for
// concurrent use; reading and appending go one at a time.
type journal struct {
	store *retry.Store
	env   *env.Env
	log   *slog.Logger
	root  string // of the ledger's objects, with a slash at its end

	mu       sync.Mutex // held during I/O: one at a time reads or appends
	state    *ledger.State
	closings []*closing          // Closes whose seals are not known to exist, ascending
	authors  map[uint64][]string // lanes of the entries in state.Pending, where we know them
	known    *openFiles          // nil if we close no hours

	view atomic.Pointer[view]
}

// view is what others may look at while the driver waits for the store.
type view struct {
	last        uint64
	closed      time.Time
	closedEntry uint64
	at          time.Time // the newest that somebody has read from the store's clock
}

// closing is a Close and what is needed for the hours' manifests and seals, which is the state right behind it.
type closing struct {
	entry  uint64
	close  ledger.Close
	hours  map[time.Time]ledger.Hour // those that had files
	behind *ledger.State             // its Partitions and Counts
	ours   bool                      // we have closed, or found it closed when we started
	sealed time.Time                 // end of the hours whose seals are known to be there; zero: nothing is known
}

// open reads the ledger that begins with genesis g: the latest snapshot and what follows.
func (d *journal) open(ctx context.Context, g *ledger.Genesis, hash ledger.Hash) error {
	d.env.Lock(&d.mu)
	defer d.mu.Unlock()
	state, err := d.snapshot(ctx, g, hash, math.MaxUint64)
	if err != nil {
		return err
	}
	d.state = state
	d.publishView()
	if err := d.tail(ctx); err != nil {
		return err
	}
	for _, c := range d.closings {
		c.ours = true
	}
	return nil
}

// read folds all entries there are.
func (d *journal) read(ctx context.Context) error {
	d.env.Lock(&d.mu)
	defer d.mu.Unlock()
	return d.tail(ctx)
}

// tail is read, with d.mu held.
func (d *journal) tail(ctx context.Context) error {
	for {
		e, hash, err := d.entry(ctx, d.state.Last+1)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.fold(e, hash); err != nil {
			return err
		}
	}
}

// entry reads an entry with all that is needed to fold it. The error matches fs.ErrNotExist if there is none.
func (d *journal) entry(ctx context.Context, id uint64) (*ledger.Entry, ledger.Hash, error) {
	body, err := d.store.Read(ctx, d.root+ledger.EntryName(id), ledger.MaxEntry)
	if err != nil {
		return nil, "", fmt.Errorf("sink: read entry %d: %w", id, err)
	}
	e, err := ledger.Decode(id, body)
	if err != nil {
		return nil, "", err
	}
	if b := e.Detached(); b != nil {
		part, err := d.blob(ctx, b)
		if err != nil {
			return nil, "", err
		}
		if err := e.Attach(part); err != nil {
			return nil, "", err
		}
	}
	return e, ledger.HashOf(body), nil
}

// blob reads a part of an entry. That it is missing is corruption, since it was written first.
func (d *journal) blob(ctx context.Context, b *ledger.Blob) ([]byte, error) {
	body, err := d.store.Read(ctx, d.root+b.Key, ledger.MaxBlob)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ledger.CorruptError{Object: "blob " + b.Key, Reason: "it is missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("sink: read %s: %w", b.Key, err)
	}
	return body, nil
}

// files returns the files of a Commit, reading their blob if they are in one.
func (d *journal) files(ctx context.Context, c *ledger.Commit) ([]ledger.File, error) {
	if c.FilesBlob == nil || len(c.Files) > 0 {
		return c.Files, nil
	}
	body, err := d.blob(ctx, c.FilesBlob)
	if err != nil {
		return nil, err
	}
	return ledger.DecodeFiles(c.FilesBlob, body)
}

// fold takes in the next entry. It needs d.mu.
func (d *journal) fold(e *ledger.Entry, hash ledger.Hash) error {
	var c *closing
	if e.Kind == ledger.KindClose {
		c = &closing{entry: e.ID, close: *e.Close, hours: closingHours(d.state, e.Close)}
	}
	if err := d.state.Fold(e, hash); err != nil {
		return err
	}
	if c != nil {
		c.behind = d.state.Standing()
		d.closings = append(d.closings, c)
	}
	if e.Kind == ledger.KindCommit && e.Commit.HasManifest() {
		d.authors[e.ID] = laneNames(e.Commit)
	}
	if d.known != nil {
		d.known.add(e)
		d.known.sealed(d.state.Sealed)
	}
	for _, id := range e.Published {
		delete(d.authors, id)
	}
	for len(d.closings) > 0 && !d.closings[0].close.Through.After(d.state.Sealed) {
		d.closings = d.closings[1:]
	}
	d.publishView()
	return nil
}

// closingHours are the hours with files that c closes, while s does not know it yet.
func closingHours(s *ledger.State, c *ledger.Close) map[time.Time]ledger.Hour {
	hours := map[time.Time]ledger.Hour{}
	for start, h := range s.Hours {
		if start.Before(c.Through) {
			hours[start] = *h
		}
	}
	return hours
}

func (d *journal) publishView() {
	s := d.state
	d.view.Store(&view{last: s.Last, closed: s.Closed, closedEntry: s.ClosedEntry, at: later(s.Genesis.Created, s.ClosedAt)})
}

// replay returns the state behind entry id and the closing if that is a Close, by folding again from a snapshot before
// it. Only a process that finds hours closed and not sealed by a dead one needs it.
func (d *journal) replay(ctx context.Context, id uint64) (*closing, error) {
	d.env.Lock(&d.mu)
	g, hash := d.state.Genesis, d.state.GenesisHash
	d.mu.Unlock()
	past := &journal{store: d.store, env: d.env, log: d.log, root: d.root, authors: map[uint64][]string{}}
	var err error
	if past.state, err = past.snapshot(ctx, &g, hash, id-1); err != nil {
		return nil, err
	}
	for past.state.Last < id {
		e, hash, err := past.folded(ctx, past.state.Last+1)
		if err != nil {
			return nil, err
		}
		if err := past.fold(e, hash); err != nil {
			return nil, err
		}
	}
	if n := len(past.closings); n > 0 && past.closings[n-1].entry == id {
		return past.closings[n-1], nil
	}
	return nil, &ledger.CorruptError{Object: fmt.Sprintf("entry %d", id), Reason: "it is not the Close that it should be"}
}
