package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/sink"
)

// tally is what is known of the batches of a window. Batches that are begun in an hour are registered, kept, repaired and
// noted under that hour, so a window needs nothing of others.
type tally struct {
	from, to time.Time
	mu       sync.Mutex
	batches  map[ID]*tallied
}

// tallied is what is known of a batch.
type tallied struct {
	registration Registration // Lines 0: it is not registered
	came, dead   lineSet
	beyond       bool // a line has a number that no batch has
	twice        bool
	kept         bool // its object is there
	repairs      int
}

func (t *tally) of(id ID) *tallied {
	b := t.batches[id]
	if b == nil {
		b = &tallied{}
		t.batches[id] = b
	}
	return b
}

func (t *tally) within(id ID) bool {
	ms := id.milli()
	return ms >= t.from.UnixMilli() && ms < t.to.UnixMilli()
}

// read reads all that is known of the window. The order matters: a batch is kept, then registered, then sent, then noted. So
// who reads in the other order never sees a note without a registration, nor a registration without an object, unless that
// is so.
func (t *tally) read(ctx context.Context, c *Config, notes *sink.Notes) error {
	if notes != nil {
		if err := t.notes(ctx, notes); err != nil {
			return err
		}
	}
	for r, err := range c.Registry.List(ctx, t.from, t.to) {
		if err != nil {
			return fmt.Errorf("audit: the registry: %w", err)
		}
		if r.Lines < 1 || r.Lines > MaxLines {
			continue
		}
		b := t.of(r.ID)
		if b.twice = b.twice || b.registration.Lines > 0; r.Lines > b.registration.Lines {
			b.registration = r
		}
	}
	for at := range hours(t.from, t.to) {
		for n, err := range c.Batches.names(ctx, batchFolder, at) {
			if err != nil {
				return err
			}
			if n.rest == "" && t.within(n.id) {
				t.of(n.id).kept = true
			}
		}
		for n, err := range c.Batches.names(ctx, repairFolder, at) {
			if err != nil {
				return err
			}
			attempt, ok := strings.CutPrefix(n.rest, "-")
			if i, err := strconv.Atoi(attempt); ok && err == nil && t.within(n.id) {
				b := t.of(n.id)
				b.repairs = max(b.repairs, i)
			}
		}
	}
	return nil
}

// notes reads what the job has noted.
func (t *tally) notes(ctx context.Context, notes *sink.Notes) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	next := notes.Hour(t.from)
	for at := next; at.Before(t.to); at = next {
		for next = at.Add(time.Minute); !notes.Hour(next).After(at); { // the hour's length is the job's
			next = next.Add(time.Minute)
		}
		for o, err := range notes.List(ctx, at) {
			if err != nil {
				return errors.Join(err, group.Wait())
			}
			group.Go(func() error { return t.file(ctx, notes, o.Key) })
		}
	}
	return group.Wait()
}

func (t *tally) file(ctx context.Context, notes *sink.Notes, key string) error {
	f, err := notes.Open(ctx, key)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for a := (arrived{}); ; {
		switch err := a.read(r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("audit: %s: %w", key, err)
		}
		if t.within(a.id) {
			t.unite(&a)
		}
	}
}

func (t *tally) unite(a *arrived) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.of(a.id)
	for _, r := range a.came {
		b.beyond = addRun(&b.came, r) || b.beyond
	}
	for _, r := range a.dead {
		b.beyond = addRun(&b.dead, r) || b.beyond
	}
}

// addRun adds a run, and reports whether some of its lines are beyond those that a batch can have.
func addRun(s *lineSet, r span) (beyond bool) {
	first, last := int(r.first), int(r.last)
	if first <= MaxLines {
		s.add(first, min(last, MaxLines))
	}
	return last > MaxLines
}

// ids are all batches in order.
func (t *tally) ids() []ID {
	ids := make([]ID, 0, len(t.batches))
	for id := range t.batches {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, ID.Compare)
	return ids
}
