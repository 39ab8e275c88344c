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

	mu      sync.Mutex
	batches map[ID]*tallied
}

// tallied is what is known of a batch.
type tallied struct {
	came, dead lineSet
	oldest     int64 // event time, in milliseconds since 1970
	lines      int32 // that are registered; 0 if it is not
	repairs    int32
	beyond     bool // a line has a number that no batch has
	twice      bool
	kept       bool // its object is there
	late       bool // lines were sent again when hours of its events were closed
}

// with calls f with a batch.
func (t *tally) with(id ID, f func(*tallied)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.batches[id]
	if b == nil {
		b = &tallied{}
		t.batches[id] = b
	}
	f(b)
}

func (t *tally) within(id ID) bool {
	ms := id.milli()
	return ms >= t.from.UnixMilli() && ms < t.to.UnixMilli()
}

// read reads all that is known of the window, in any order: what is younger than a deadline may be there in part, and is
// judged by nobody.
func (t *tally) read(ctx context.Context, c *Config, notes *sink.Notes) error {
	group, ctx := errgroup.WithContext(ctx)
	if notes != nil {
		group.Go(func() error { return away(InNotes, t.notes(ctx, notes)) })
	}
	group.Go(func() error { return away(InRegistry, t.registry(ctx, c.Registry)) })
	group.Go(func() error {
		return away(InBatches, t.objects(ctx, c.Batches, batchFolder, func(b *tallied, rest string) { b.kept = b.kept || rest == "" }))
	})
	group.Go(func() error {
		return away(InBatches, t.objects(ctx, c.Batches, repairFolder, func(b *tallied, rest string) {
			attempt, ok := strings.CutPrefix(rest, "-")
			if n, err := strconv.ParseInt(attempt, 10, 32); ok && err == nil {
				b.repairs = max(b.repairs, int32(n))
			}
			b.late = b.late || attempt == lateAttempt
		}))
	})
	return group.Wait()
}

func (t *tally) registry(ctx context.Context, g Registry) error {
	for r, err := range g.List(ctx, t.from, t.to) {
		if err != nil {
			return fmt.Errorf("audit: the registry: %w", err)
		}
		if err := r.Check(); err != nil { // to leave it out would say that nothing is missing of it
			return fmt.Errorf("audit: the registry lists what no batch can have: %w", err)
		}
		t.with(r.ID, func(b *tallied) {
			if b.twice = b.twice || b.lines > 0; r.Lines > int(b.lines) {
				b.lines, b.oldest = int32(r.Lines), r.Oldest.UnixMilli()
			}
		})
	}
	return nil
}

// objects lists the objects of batches in one of the folders.
func (t *tally) objects(ctx context.Context, f *Folder, folder string, take func(b *tallied, rest string)) error {
	for at := range hours(t.from, t.to) {
		for n, err := range f.names(ctx, folder, at) {
			if err != nil {
				return err
			}
			if t.within(n.id) {
				t.with(n.id, func(b *tallied) { take(b, n.rest) })
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
	t.with(a.id, func(b *tallied) {
		for _, r := range a.came {
			b.beyond = addRun(&b.came, r) || b.beyond
		}
		for _, r := range a.dead {
			b.beyond = addRun(&b.dead, r) || b.beyond
		}
	})
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
