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
	sent       bool // lines were sent again
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
func (t *tally) read(ctx context.Context, a *auditor, notes *sink.Notes, o *outage) error {
	group, ctx := errgroup.WithContext(ctx)
	ask := func(place Place, f func(context.Context, *patience) error) {
		group.Go(func() error {
			return o.ask(ctx, place, func() error {
				ctx, p := patient(ctx, a.opts.Patience)
				return p.end(f(ctx, p))
			})
		})
	}
	if notes != nil {
		ask(InNotes, func(ctx context.Context, p *patience) error { return t.notes(ctx, notes, p) })
	}
	ask(InRegistry, func(ctx context.Context, p *patience) error {
		return a.listings.do(ctx, func() error { return t.registry(ctx, a.Registry, p) })
	})
	ask(InBatches, func(ctx context.Context, p *patience) error {
		return t.objects(ctx, a.Batches, batchFolder, p, func(b *tallied, rest string) { b.kept = b.kept || rest == "" })
	})
	ask(InBatches, func(ctx context.Context, p *patience) error {
		return t.objects(ctx, a.Batches, repairFolder, p, func(b *tallied, rest string) {
			attempt, ok := strings.CutPrefix(rest, "-")
			if n, err := strconv.ParseInt(attempt, 10, 32); ok && err == nil {
				b.repairs = max(b.repairs, int32(n))
			}
			b.sent = b.sent || attempt == sentAttempt || attempt == lateAttempt
			b.late = b.late || attempt == lateAttempt
		})
	})
	return group.Wait()
}

func (t *tally) registry(ctx context.Context, g Registry, p *patience) error {
	for r, err := range g.List(ctx, t.from, t.to) {
		p.seen()
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
func (t *tally) objects(ctx context.Context, f *Folder, folder string, p *patience, take func(b *tallied, rest string)) error {
	for at := range hours(t.from, t.to) {
		p.seen()
		for n, err := range f.names(ctx, folder, at) {
			p.seen()
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
func (t *tally) notes(ctx context.Context, notes *sink.Notes, p *patience) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	next := notes.Hour(t.from)
	for at := next; at.Before(t.to); at = next {
		for next = at.Add(time.Minute); !notes.Hour(next).After(at); { // the hour's length is the job's
			next = next.Add(time.Minute)
		}
		p.seen()
		for o, err := range notes.List(ctx, at) {
			p.seen()
			if err != nil {
				return errors.Join(err, group.Wait())
			}
			group.Go(func() error { return t.file(ctx, notes, o.Key, p) })
		}
	}
	return group.Wait()
}

func (t *tally) file(ctx context.Context, notes *sink.Notes, key string, p *patience) error {
	f, err := notes.Open(ctx, key)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(&seeing{f, p}, 64<<10)
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

// seeing is a reader whose answers are seen.
type seeing struct {
	io.Reader
	p *patience
}

func (s *seeing) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.p.seen()
	return n, err
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
