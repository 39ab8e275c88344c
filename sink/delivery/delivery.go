package delivery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// Delivery brings what a job commits to a target. It is safe for concurrent use, but Run is called once at a time. Any number of
// processes may run a Delivery of one name; the cursor keeps them from loading a unit twice.
type Delivery struct {
	name   string
	opts   Options
	source source
	book   book
	keeper bool
	board  *board
	log    *slog.Logger
	env    *env.Env
}

// Open makes a Delivery of a job's output, under a name that its cursor is kept by, and reads the cursor. It refuses one that does not
// fit the job's ledger with a *LedgerError. A job that has not begun is waited for by Run.
//
// Two deliveries of one job, to the same target or others, have two names. The target belongs to the caller.
func Open(ctx context.Context, store sink.Store, job, name string, target Target, opts *Options) (*Delivery, error) {
	keeper, isKeeper := target.(Keeper)
	o := opts.filled(isKeeper)
	if err := o.validate(name); err != nil {
		return nil, fmt.Errorf("delivery: cannot open %q: %w", name, err)
	}
	if target == nil {
		return nil, fmt.Errorf("delivery: cannot open %q: no target", name)
	}
	e := env.From(ctx)
	again := retry.New(store, e)
	d := &Delivery{name: name, opts: o, keeper: isKeeper, board: newBoard(), env: e, log: o.Logger.With("delivery", name, "job", job)}
	d.source = source{store: store, content: content.New(again, o.Joins...), job: job, name: name, opts: &d.opts, seen: d.board.saw}
	d.book = kept{keeper, name}
	if !isKeeper {
		d.book = &diary{target: target, name: name, store: again, folder: Folder(o.Prefix, name), now: time.Now}
	}
	s, err := d.book.state(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := d.check(ctx, s); err != nil && (!errors.Is(err, fs.ErrNotExist) || o.Poll < 0) {
		return nil, err
	}
	d.board.know(s)
	return d, nil
}

// Folder is where the cursor of a delivery lies in the job's store if its target does not keep it. prefix is empty or ends in a
// slash.
func Folder(prefix, name string) string { return prefix + "_onceflow-delivery/" + name + "/" }

// check refuses a state that does not fit the ledger. The error matches fs.ErrNotExist if there is no ledger and no cursor.
func (d *Delivery) check(ctx context.Context, s State) (sink.Tail, error) {
	c := s.Cursor
	t, err := sink.FindTail(ctx, d.source.store, d.source.job, max(c.Entry, d.board.tail()), d.opts.read(-1, nil))
	var why string
	switch {
	case errors.Is(err, fs.ErrNotExist) && !c.IsZero():
		why = fmt.Sprintf("its cursor is %s, and there is no job %q below %q. Look for the right store and prefix", c, d.source.job, d.opts.Prefix)
	case err != nil:
		return t, err
	case c.IsZero():
		return t, nil
	case c.Ledger != t.Ledger:
		why = fmt.Sprintf("its cursor %s is of another ledger than the job's, which is %s: the job was begun anew, or this is another bucket. "+
			"To deliver what this job has, take an empty target and another name for the delivery", c, t.Ledger)
	case c.Entry > t.Entry:
		why = fmt.Sprintf("its cursor %s is ahead of the job's ledger, which ends with entry %d: an older copy of the bucket. The target has rows that "+
			"the job will write again. Bring back what the bucket has lost, or take an empty target and another name for the delivery", c, t.Entry)
	case c.Hour.IsZero() == d.opts.Hourly:
		why = fmt.Sprintf("its cursor is %s, and Options.Hourly is %v. Transactions and hours have the same rows, so take an empty target "+
			"and another name for the delivery", c, d.opts.Hourly)
	default:
		d.board.ends(t.Entry)
		return t, nil
	}
	return t, &LedgerError{Delivery: d.name, Why: why}
}

// Status is how far the delivery has got, as far as this process knows.
func (d *Delivery) Status() Status { return d.board.status(d.name, d.opts.Hourly) }

// TakeUp loads a unit that is parked, once somebody has mended what the target refused it for. The error matches ErrRefused if
// the target refuses it again; then it stays parked, with the new reason. It matches fs.ErrNotExist if no such unit is parked, and
// ErrFenced if another process has taken it up meanwhile. After any other error it may be loaded or not: TakeUp again settles that.
func (d *Delivery) TakeUp(ctx context.Context, unit string) (Result, error) {
	p, err := d.book.attempt(ctx, unit)
	if err != nil {
		return Result{}, err
	}
	u, err := d.source.find(ctx, p.Cursor)
	if err != nil {
		return Result{}, err
	}
	if u.ID != p.Unit {
		return Result{}, fmt.Errorf("delivery: the unit %q is of another delivery, or of another ledger", p.Unit)
	}
	u.Attempt = p.Attempts
	res, err := d.book.load(ctx, u)
	switch {
	case err == nil:
		err = d.book.settle(ctx, u, "")
		if err == nil {
			d.board.loaded(u, res)
			d.log.Info("unit taken up", "unit", unit, "rows", res.Rows, "rejected", res.Rejected)
		}
	case errors.Is(err, ErrRefused):
		err = errors.Join(err, d.book.settle(ctx, u, err.Error()))
	}
	if s, e := d.book.state(ctx); e == nil {
		d.board.know(s)
	}
	return res, err
}

// LedgerError says that the state of a delivery does not fit the ledger of the job, so that rows would be missing or there
// twice. It ends the delivery; only a person can know which of the two is right.
type LedgerError struct {
	Delivery string
	Why      string
}

func (e *LedgerError) Error() string {
	return fmt.Sprintf("delivery: %q cannot go on: %s", e.Delivery, e.Why)
}
