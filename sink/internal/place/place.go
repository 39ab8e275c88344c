package place

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// Place is where a job writes. Open looks at it, and Ledger begins or opens the job's ledger there. One goroutine uses it.
type Place struct {
	Folder *journal.Folder
	Store  *retry.Store
	Env    *env.Env
	Clock  *clock.Clock

	opts   Options
	claims *journal.Claims
}

// Options are what a job writes. The first run of a job fixes Hour and Start.
type Options struct {
	Prefix string
	Flows  []string // sorted
	Hour   time.Duration
	Start  time.Time
	Shared bool // other jobs may write below Prefix
}

// Open looks at the place of a job, without writing anything but probes.
func Open(ctx context.Context, store storage.Store, job string, o Options) (*Place, error) {
	e := env.From(ctx)
	s := retry.New(store, e)
	p := &Place{Folder: journal.NewFolder(s, e, o.Prefix, job), Store: s, Env: e, Clock: clock.New(s, e), opts: o}
	if err := checkRules(s.Traits().Deletes, p.Folder.Objects.Root, &o); err != nil {
		return nil, err
	}
	g, _, err := p.Folder.Beginning(ctx)
	if err != nil {
		return nil, err
	}
	if g != nil {
		if err := p.matches(g); err != nil {
			return nil, err
		}
	}
	if !o.Shared {
		if err := p.Folder.Strangers(ctx); err != nil {
			return nil, err
		}
	}
	if p.claims, err = p.Folder.Claims(ctx, o.Flows); err != nil {
		return nil, err
	}
	if g == nil {
		if err := p.Folder.CheckData(ctx, o.Flows); err != nil {
			if now, _, e := p.Folder.Genesis(ctx); now == nil || e != nil { // else another instance has begun, and written it
				return nil, err
			}
		}
	}
	return p, probe(ctx, s, e, p.Folder.Probes(), g == nil)
}

// matches says how an existing ledger differs from what the options ask for.
func (p *Place) matches(g *ledger.Genesis) error {
	var errs []error
	if g.Job != p.Folder.Job || g.Epoch != journal.Epoch {
		errs = append(errs, fmt.Errorf("the ledger is of job %q, epoch %d: it was copied here; use that job's own folder", g.Job, g.Epoch))
	}
	if g.Hour != p.opts.Hour {
		errs = append(errs, fmt.Errorf("the folder was begun with hours of %s, and the options say %s: "+
			"set Options.Hour to %s, or write to another Prefix", g.Hour, p.opts.Hour, g.Hour))
	}
	if !p.opts.Start.IsZero() && !p.opts.Start.Equal(g.Start) {
		errs = append(errs, fmt.Errorf("the folder was begun with the start hour %s, and the options say %s: "+
			"leave Options.Start as it was, or write to another Prefix", hourOrNone(g.Start), hourOrNone(p.opts.Start)))
	}
	return errors.Join(errs...)
}

func hourOrNone(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}

// CheckInput refuses a source that would read what the job writes.
func (p *Place) CheckInput(src driver.SourceInfo) error {
	return checkInput(src, p.Store.Traits().Folder, &p.opts)
}

// Ledger opens the ledger of the job, and begins it if there is none. remember is that of journal.Options.
func (p *Place) Ledger(ctx context.Context, job *driver.Job, remember bool) (*journal.Journal, error) {
	g, hash, err := p.begin(ctx, job)
	if err != nil {
		return nil, err
	}
	j, err := p.Folder.Open(ctx, g, hash, journal.Options{Log: job.Logger, By: job.Instance, Flows: p.opts.Flows, Remember: remember})
	if err != nil {
		return nil, err
	}
	return j, p.claims.Make(ctx) // of flows that the job gets now
}

// begin returns the genesis of the job, and makes one if there is none.
func (p *Place) begin(ctx context.Context, job *driver.Job) (*ledger.Genesis, ledger.Hash, error) {
	g, hash, err := p.Folder.Beginning(ctx)
	if err != nil {
		return nil, "", err
	}
	if g == nil {
		if err := p.claims.Make(ctx); err != nil { // first, so that a job that is refused has not begun
			return nil, "", err
		}
		now, err := p.Clock.Now(ctx, job.Logger, time.Time{}) // a clock that has stepped would be what others compare the right one with
		if err != nil {
			return nil, "", err
		}
		g, hash, err = p.Folder.Begin(ctx, &ledger.Genesis{
			Format: ledger.Format, MinReader: ledger.MinReader, Job: p.Folder.Job, Epoch: journal.Epoch, Hour: p.opts.Hour, Layout: ledger.LayoutHive2,
			Start: p.opts.Start.UTC(), Source: job.Source.ID, Shards: 1, Shard: ledger.ShardSingle, Created: now.UTC().Round(0), Token: journal.NewToken(p.Env),
		})
		if err != nil {
			return nil, "", err
		}
	}
	if err := p.matches(g); err != nil { // again: it may be another's who was faster
		return nil, "", err
	}
	if g.Source != job.Source.ID {
		return nil, "", fmt.Errorf("the folder was begun with the source %q, and this one is %q: the positions of one mean nothing in the "+
			"other; write to another Prefix", g.Source, job.Source.ID)
	}
	return g, hash, nil
}
