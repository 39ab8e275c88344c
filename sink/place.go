package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// place is where a job writes, before it does: what Open finds out. attach makes a job's ledger of it.
type place struct {
	folder *journal.Folder
	store  *retry.Store
	env    *env.Env
	opts   Options
	flows  []string // sorted
	claims *journal.Claims
	clock  *clock.Clock
}

// openPlace looks at the place of a job, without writing anything but probes.
func openPlace(ctx context.Context, store Store, job string, o Options, flows []string) (*place, error) {
	slices.Sort(flows)
	e := env.From(ctx)
	s := retry.New(store, e)
	p := &place{folder: journal.NewFolder(s, e, o.Prefix, job), store: s, env: e, opts: o, flows: flows, clock: clock.New(s, e)}
	if err := p.checkRules(); err != nil {
		return nil, err
	}
	g, _, err := p.folder.Beginning(ctx)
	if err != nil {
		return nil, err
	}
	if g != nil {
		if err := p.matches(g); err != nil {
			return nil, err
		}
	}
	if !o.Shared {
		if err := p.folder.Strangers(ctx); err != nil {
			return nil, err
		}
	}
	if p.claims, err = p.folder.Claims(ctx, flows); err != nil {
		return nil, err
	}
	if g == nil {
		if err := p.folder.CheckData(ctx, flows); err != nil {
			if now, _, e := p.folder.Genesis(ctx); now == nil || e != nil { // else another instance has begun, and written it
				return nil, err
			}
		}
	}
	return p, p.probe(ctx, g == nil)
}

// matches tells how a ledger that exists differs from what the options ask for.
func (p *place) matches(g *ledger.Genesis) error {
	var errs []error
	if g.Job != p.folder.Job || g.Epoch != journal.Epoch {
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

// begin returns the genesis of the job, and makes one if there is none.
func (p *place) begin(ctx context.Context, job *driver.Job) (*ledger.Genesis, ledger.Hash, error) {
	g, hash, err := p.folder.Beginning(ctx)
	if err != nil {
		return nil, "", err
	}
	if g == nil {
		if err := p.claims.Make(ctx); err != nil { // first, so that a job that is refused has not begun
			return nil, "", err
		}
		now, err := p.clock.Now(ctx, job.Logger, time.Time{}) // a clock that has stepped would be what others compare the right one with
		if err != nil {
			return nil, "", err
		}
		g, hash, err = p.folder.Begin(ctx, &ledger.Genesis{
			Format: ledger.Format, MinReader: ledger.MinReader, Job: p.folder.Job, Epoch: journal.Epoch, Hour: p.opts.Hour, Layout: ledger.LayoutHive1,
			Start: p.opts.Start.UTC(), Source: job.Source.ID, Shards: 1, Shard: ledger.ShardSingle, Created: now.UTC().Round(0), Token: journal.NewToken(p.env),
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
