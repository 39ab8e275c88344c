package enrich

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

// ErrUnchanged is returned by a load function to say that the version in use is still the newest.
var ErrUnchanged = errors.New("enrich: the table has not changed")

// Table is a value of type V, such as a map, that is replaced as a whole. It is safe for concurrent use. A version must not
// be changed once it is in the table. Events in flight keep the version they began with.
type Table[V any] struct {
	load    func(context.Context) (V, error)
	opts    Options
	current atomic.Pointer[V]
	status  atomic.Pointer[Status]
	one     sync.Mutex // one load at a time
	stop    context.CancelFunc
	done    chan struct{}
}

// Options are the optional settings of Open and OpenFile; nil means all defaults.
type Options struct {
	// Every is the time from the end of one load to the begin of the next.
	//
	// Defaults to 1 minute. -1 loads only when Reload is called.
	Every time.Duration

	// Logger gets a line for each version and each load that fails.
	//
	// Defaults to discarding.
	Logger *slog.Logger
}

// Status tells how a table is doing.
type Status struct {
	Loaded   time.Time // when the version in use was loaded
	Checked  time.Time // when a load last succeeded, with a new version or without
	Versions int64     // loaded so far
	Failing  error     // of the last load; nil if it succeeded. The old version stays in use.
}

// NewTable makes a table that changes by Replace only.
func NewTable[V any](v V) *Table[V] {
	t := &Table[V]{}
	t.status.Store(&Status{})
	t.Replace(v)
	return t
}

// Open loads a table and goes on loading it in the background until Close. The first load must succeed. A later one that
// fails leaves the old version in use, is told by Status, and is tried again after Options.Every.
func Open[V any](ctx context.Context, load func(context.Context) (V, error), opts *Options) (*Table[V], error) {
	if load == nil {
		return nil, errors.New("enrich: a function that loads the table is required")
	}
	t := &Table[V]{load: load}
	if opts != nil {
		t.opts = *opts
	}
	t.opts.Every = cmp.Or(t.opts.Every, time.Minute)
	if t.opts.Every < -1 {
		return nil, fmt.Errorf("enrich: Every %s is negative", t.opts.Every)
	}
	if t.opts.Logger == nil {
		t.opts.Logger = slog.New(slog.DiscardHandler)
	}
	t.status.Store(&Status{})
	if err := t.Reload(ctx); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop, t.done = stop, make(chan struct{})
	go t.keepLoading(background)
	return t, nil
}

func (t *Table[V]) keepLoading(ctx context.Context) {
	defer close(t.done)
	for t.opts.Every > 0 && retry.Sleep(ctx, t.opts.Every, nil) == nil {
		_ = t.Reload(ctx) // kept in the status
	}
}

// Reload loads the table now. After an error the old version stays in use.
func (t *Table[V]) Reload(ctx context.Context) error {
	t.one.Lock()
	defer t.one.Unlock()
	if t.load == nil {
		return nil
	}
	v, err := t.load(ctx)
	next := *t.status.Load()
	next.Failing = nil
	switch {
	case err == nil:
		t.replace(v, next)
		t.opts.Logger.Info("table loaded", "versions", t.Status().Versions)
		return nil
	case errors.Is(err, ErrUnchanged) && t.current.Load() != nil:
		next.Checked = time.Now()
		t.status.Store(&next)
		return nil
	}
	next.Failing = fmt.Errorf("enrich: load: %w", err)
	t.status.Store(&next)
	t.opts.Logger.Warn("table not loaded; the old one stays in use", "err", err, "age", time.Since(next.Loaded))
	return next.Failing
}

// Replace puts v into the table.
func (t *Table[V]) Replace(v V) {
	t.one.Lock()
	defer t.one.Unlock()
	next := *t.status.Load()
	next.Failing = nil
	t.replace(v, next)
}

func (t *Table[V]) replace(v V, s Status) {
	t.current.Store(&v)
	s.Versions++
	s.Loaded = time.Now()
	s.Checked = s.Loaded
	t.status.Store(&s)
}

// Current is the version in use.
func (t *Table[V]) Current() *V { return t.current.Load() }

// Status tells how the table is doing.
func (t *Table[V]) Status() Status { return *t.status.Load() }

// Close ends the loading in the background and waits for a load that is under way, whose context it ends. The last
// version stays in use.
func (t *Table[V]) Close() error {
	if t.stop != nil {
		t.stop()
		<-t.done
	}
	return nil
}
