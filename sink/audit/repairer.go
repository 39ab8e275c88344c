package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

// mostQueued is how many batches of a round wait to be sent again; those that are due first. The next round finds the others.
const mostQueued = 1000

// mostPause is the longest time between two attempts at a batch.
const mostPause = 6 * time.Hour

// repairer sends batches again, a few at a time, beside the rounds: a source that is away must not keep the report back. It is
// safe for concurrent use.
type repairer struct {
	*auditor
	send Sender
	work sync.WaitGroup

	mu      sync.Mutex
	turn    turn
	running int // workers
	flying  map[ID]bool
	waits   map[ID]*wait
	resent  Resent
}

// turn is what is to be sent of the last round.
type turn struct {
	queue   []lost // the first due first
	judge   *judge
	picked  int
	failed  int // batches in a row that the source did not take
	refused int // batches in a row that it does not want
}

// wait is what is known of a batch that is lost, beside the attempts that all auditors see.
type wait struct {
	until   time.Time // by the clock of the batches' store
	unread  int       // how often its object could not be read
	damaged bool
}

func newRepairer(a *auditor, send Sender) *repairer {
	return &repairer{auditor: a, send: send, flying: map[ID]bool{}, waits: map[ID]*wait{}}
}

// tell says what is known of the objects of a part's batches.
func (w *repairer) tell(p *part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range p.lost {
		if k := w.waits[p.lost[i].id]; k == nil || !k.damaged {
			continue
		}
		p.sum.Words[Damaged]++
		if at, ok := slices.BinarySearchFunc(p.found, p.lost[i].id, func(f Finding, id ID) int { return f.ID.Compare(id) }); ok {
			p.found[at].Words = append(p.found[at].Words, Damaged)
		}
	}
}

// take returns what was done since the last call.
func (w *repairer) take() Resent {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.resent
	w.resent = Resent{}
	return r
}

// submit makes the lost batches of a round the ones that are sent, in place of those of the round before.
func (w *repairer) submit(ctx context.Context, all []lost, j *judge) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waits := make(map[ID]*wait, len(w.waits)) // without batches that are lost no more
	for i := range all {
		if k := w.waits[all[i].id]; k != nil {
			waits[all[i].id] = k
		}
	}
	w.waits = waits
	due := func(l *lost) time.Time {
		if k := w.waits[l.id]; k != nil {
			return k.until
		}
		return l.id.Time().Add(w.opts.Deadline)
	}
	all = slices.DeleteFunc(all, func(l lost) bool { return w.flying[l.id] || j.now.Before(due(&l)) })
	slices.SortFunc(all, func(a, b lost) int { return cmp.Or(due(&a).Compare(due(&b)), a.id.Compare(b.id)) })
	w.turn = turn{queue: slices.Clone(all[:min(len(all), mostQueued)]), judge: j}
	for ; w.running < min(w.opts.Repairs, len(w.turn.queue)); w.running++ {
		w.work.Go(func() { w.serve(ctx) })
	}
}

// next takes a batch out of the queue; false if the worker is to end.
func (w *repairer) next(ctx context.Context) (l lost, j *judge, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.turn.queue) == 0 || ctx.Err() != nil {
		w.running--
		return l, nil, false
	}
	at := 0
	if w.turn.picked++; w.turn.picked%2 == 0 { // the first ones may all be such as cannot be sent
		at = rand.IntN(len(w.turn.queue))
	}
	l = w.turn.queue[at]
	w.turn.queue = slices.Delete(w.turn.queue, at, at+1)
	w.flying[l.id] = true
	return l, w.turn.judge, true
}

// serve sends batches until none is left.
func (w *repairer) serve(ctx context.Context) {
	for {
		l, j, ok := w.next(ctx)
		if !ok {
			return
		}
		sent, until, err := w.mend(ctx, &l, j)
		w.done(ctx, &l, j, sent, until, err)
	}
}

// errSource is an error of the source.
type errSource struct{ error }

func (e errSource) Unwrap() error { return e.error }

// isRefusal reports whether err says of lines that the source will never take them, and nothing else.
func isRefusal(err error) bool {
	if _, ok := err.(*RefusedError); ok { //nolint:errorlint // each error of the tree is looked at
		return true
	}
	switch e := err.(type) { //nolint:errorlint // each error of the tree is looked at
	case interface{ Unwrap() error }:
		return isRefusal(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !isRefusal(err) })
	}
	return err == fs.ErrInvalid //nolint:errorlint // of a Sender that names no lines
}

// done notes what became of a batch. until is when to look at it again; zero is in the next round.
func (w *repairer) done(ctx context.Context, l *lost, j *judge, sent int, until time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.flying, l.id)
	k := w.waits[l.id]
	if k == nil {
		k = &wait{}
		w.waits[l.id] = k
	}
	if k.until = until; until.IsZero() {
		k.until = j.now
	}
	var source errSource
	switch {
	case err == nil && sent == 0, sent == 0 && ctx.Err() != nil:
		return
	case sent > 0:
		w.turn.failed, w.turn.refused, k.damaged, k.unread = 0, 0, false, 0
		w.resent.Batches, w.resent.Lines = w.resent.Batches+1, w.resent.Lines+int64(sent)
		if l.late {
			w.resent.Late++
		}
		switch {
		case errors.As(err, &source):
			w.resent.Failed++
			w.opts.Logger.Warn("lines of a batch are refused; the others were sent again", "batch", l.id.String(), "err", err)
		case err != nil:
			w.opts.Logger.Warn("a batch was sent again, and it could not be noted; no report says so", "batch", l.id.String(), "err", err)
		}
		return
	case !errors.As(err, &source): // the batch cannot be read, which is no word on the source
		k.damaged = errors.Is(err, ErrDamaged)
		k.unread++
		k.until = j.now.Add(retry.Pause(w.opts.Deadline, mostPause, k.unread))
	case isRefusal(source.error): // the source does not want it, and may want others
		w.turn.refused++
	default:
		w.turn.failed++
	}
	w.resent.Failed++
	if w.turn.failed >= w.opts.Repairs || w.turn.refused >= 8*w.opts.Repairs {
		w.turn.queue = nil // the source is away, or wants nothing: the others keep their attempts
	}
	w.opts.Logger.Warn("a batch could not be sent again; it is tried again later", "batch", l.id.String(), "err", err)
}

// attempt is the object that says that a batch is sent again.
type attempt struct {
	At    time.Time `json:"at"` // by the clock of the batches' store
	Lines int       `json:"lines"`
	Late  bool      `json:"late,omitempty"`
}

// The names of empty objects beside the attempts end with these: lines of the batch were sent again, and when hours were closed.
const (
	sentAttempt = "sent"
	lateAttempt = "late"
)

// mend sends what is missing of a batch, if it is time and no other auditor does. until is when there may be something to do
// for it; zero if that is not known.
func (w *repairer) mend(ctx context.Context, l *lost, j *judge) (sent int, until time.Time, err error) {
	key := func(n int) string { return w.Batches.key(repairFolder, l.id, fmt.Sprint("-", n)) }
	if l.repairs > 0 {
		var last attempt
		err := within(ctx, w.opts.Patience, func(ctx context.Context) error {
			body, err := w.Batches.store.Read(ctx, key(l.repairs), 1<<16)
			if err == nil {
				err = json.Unmarshal(body, &last)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, until, fmt.Errorf("audit: %s: %w", key(l.repairs), err)
		}
		if until = last.At.Add(retry.Pause(w.opts.Deadline, mostPause, l.repairs)); j.now.Before(until) || !j.due(last.At) {
			return 0, until, nil
		}
	}
	var lines []Line
	err = within(ctx, w.opts.Patience, func(ctx context.Context) (err error) {
		lines, err = w.Batches.Lines(ctx, l.id)
		return err
	})
	if err != nil {
		return 0, until, err
	}
	lines = slices.DeleteFunc(lines, func(line Line) bool { return l.came.has(line.Mark.Line) })
	if len(lines) == 0 { // it was registered with more than it has
		return 0, j.now.Add(mostPause), nil
	}
	if err := within(ctx, w.opts.Patience, w.clock.look); err != nil {
		return 0, until, err
	}
	at, _ := w.clock.now()
	body, err := json.Marshal(attempt{at, len(lines), l.late})
	if err != nil {
		return 0, until, err
	}
	until = at.Add(retry.Pause(w.opts.Deadline, mostPause, l.repairs+1))
	err = within(ctx, w.opts.Patience, func(ctx context.Context) error { return w.Batches.store.Create(ctx, key(l.repairs+1), body) })
	if err != nil {
		if errors.Is(err, fs.ErrExist) { // another auditor, or a reply that was lost: then it waits for the next attempt
			return 0, time.Time{}, nil
		}
		return 0, until, err
	}
	sending, cancel := context.WithTimeout(ctx, w.opts.Deadline)
	defer cancel()
	err = w.send.Send(sending, lines)
	if err == nil {
		return len(lines), until, w.sent(ctx, l)
	}
	var refused *RefusedError
	if errors.As(err, &refused) && len(refused.Lines) < len(lines) && isRefusal(err) { // the others are in the source
		return len(lines) - len(refused.Lines), until, errors.Join(errSource{err}, w.sent(ctx, l))
	}
	return 0, until, errSource{err}
}

// sent notes that lines of a batch were sent again, also when ctx has ended since: nobody else knows.
func (w *repairer) sent(ctx context.Context, l *lost) error {
	name := sentAttempt
	if l.late {
		name = lateAttempt
	}
	return within(context.WithoutCancel(ctx), min(w.opts.Patience, 10*time.Second), func(ctx context.Context) error {
		return w.Batches.create(ctx, w.Batches.key(repairFolder, l.id, "-"+name), nil)
	})
}
