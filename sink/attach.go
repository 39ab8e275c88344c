package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/driver"
)

// check is what Open finds out without writing anything but probes.
func (k *keeper) check(ctx context.Context) error {
	if err := k.checkRules(); err != nil {
		return err
	}
	g, _, err := k.beginning(ctx)
	if err != nil {
		return err
	}
	if g != nil {
		if err := k.matches(g); err != nil {
			return err
		}
	}
	if err := k.strangers(ctx); err != nil {
		return err
	}
	if err := k.findClaims(ctx); err != nil {
		return err
	}
	if g == nil {
		if err := k.checkData(ctx); err != nil {
			if now, _, e := k.genesis(ctx); now == nil || e != nil { // else another instance has begun, and written it
				return err
			}
		}
	}
	return k.probe(ctx, g == nil)
}

// genesis reads the genesis object; nil if there is none.
func (k *keeper) genesis(ctx context.Context) (*ledger.Genesis, ledger.Hash, error) {
	body, err := k.store.Read(ctx, k.root+ledger.GenesisName, ledger.MaxGenesis)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read genesis: %w", err)
	}
	g, err := ledger.DecodeGenesis(body)
	return g, ledger.HashOf(body), err
}

// matches tells how a ledger that exists differs from what the options ask for.
func (k *keeper) matches(g *ledger.Genesis) error {
	var errs []error
	if g.Job != k.job || g.Epoch != epoch {
		errs = append(errs, fmt.Errorf("the ledger is of job %q, epoch %d: it was copied here; use that job's own folder", g.Job, g.Epoch))
	}
	if g.Hour != k.opts.Hour {
		errs = append(errs, fmt.Errorf("the folder was begun with hours of %s, and the options say %s: "+
			"set Options.Hour to %s, or write to another Prefix", g.Hour, k.opts.Hour, g.Hour))
	}
	if !k.opts.Start.IsZero() && !k.opts.Start.Equal(g.Start) {
		errs = append(errs, fmt.Errorf("the folder was begun with the start hour %s, and the options say %s: "+
			"leave Options.Start as it was, or write to another Prefix", hourOrNone(g.Start), hourOrNone(k.opts.Start)))
	}
	return errors.Join(errs...)
}

func hourOrNone(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}

// strangers refuses a folder in which another job has begun, unless it is meant to be shared. It looks for the first key
// behind each job's control objects, so it costs a request for each job there is. One that has only tried the store has not begun.
func (k *keeper) strangers(ctx context.Context) error {
	if k.opts.Shared {
		return nil
	}
	control := k.opts.Prefix + controlFolder
	for after := ledger.FlowClaims(k.opts.Prefix) + "~"; ; { // "~" is behind all that names of flows are made of
		found := ""
		for o, err := range k.store.List(ctx, control, after) {
			if err != nil {
				return fmt.Errorf("list %s: %w", control, err)
			}
			found = o.Key
			break
		}
		if found == "" {
			return nil
		}
		job, _, _ := strings.Cut(found[len(control):], "/")
		begun := ""
		if job != k.job {
			var err error
			if begun, err = k.firstKey(ctx, ledger.Root(k.opts.Prefix, job, epoch), ""); err != nil {
				return err
			}
		}
		if begun != "" {
			return fmt.Errorf("the folder %q is the output of the job %q: choose another Options.Prefix, use that job's name, "+
				"or set Options.Shared in all jobs that write there", k.opts.Prefix, job)
		}
		after = control + job + "0" // "0" is the character behind "/"
	}
}

const controlFolder = "_onceflow/"

// attach begins the ledger if there is none, and reads it.
func (k *keeper) attach(ctx context.Context, job driver.Job) error {
	src := job.Source
	if err := errors.Join(k.seal.validate(k), k.checkInput(src)); err != nil {
		return err
	}
	g, hash, err := k.beginning(ctx)
	if err != nil {
		return err
	}
	if g == nil {
		if err := k.claimFlows(ctx); err != nil { // first, so that a job that is refused has not begun
			return err
		}
		if g, hash, err = k.beginLedger(ctx, src); err != nil {
			return err
		}
	}
	if err := k.matches(g); err != nil { // again: it may be another's who was faster
		return err
	}
	if g.Source != src.ID {
		return fmt.Errorf("the folder was begun with the source %q, and this one is %q: the positions of one mean nothing in the "+
			"other; write to another Prefix", g.Source, src.ID)
	}
	if k.seal != nil {
		k.known = newOpenFiles()
	}
	if err := k.openLedger(ctx, g, hash); err != nil {
		return err
	}
	if err := k.claimFlows(ctx); err != nil { // of flows that the job gets now
		return err
	}
	logs, err := k.watched(job)
	if err != nil {
		return err
	}
	return k.configure(ctx, src.Topics, logs)
}

// beginLedger creates the genesis object, or reads that of another instance which was faster.
func (k *keeper) beginLedger(ctx context.Context, src driver.SourceInfo) (*ledger.Genesis, ledger.Hash, error) {
	now, err := k.now(ctx) // a clock that has stepped would be what others compare the right one with
	if err != nil {
		return nil, "", err
	}
	g := &ledger.Genesis{
		Format: ledger.Format, MinReader: ledger.MinReader, Job: k.job, Epoch: epoch, Hour: k.opts.Hour, Layout: ledger.LayoutHive1,
		Start: k.opts.Start.UTC(), Source: src.ID, Shards: 1, Shard: ledger.ShardSingle, Created: now.UTC().Round(0), Token: newToken(k.env),
	}
	body, err := g.Encode()
	if err != nil {
		return nil, "", err
	}
	if err := k.store.Create(ctx, k.root+ledger.GenesisName, body); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, "", fmt.Errorf("create genesis: %w", err)
	}
	g, hash, err := k.genesis(ctx)
	if err == nil && g == nil {
		err = errors.New("the genesis object is not there after its creation: the store does not keep its contract")
	}
	return g, hash, err
}

// mostLogs bounds the logs of which the number of partitions is kept, so that they fit into an entry.
const mostLogs = 300

// watched returns the logs whose number of partitions the ledger is to know. It refuses those that have grown since the
// job knows them, since keys have moved between lanes.
func (k *keeper) watched(job driver.Job) (logs []ledger.Log, err error) {
	for _, l := range job.Logs {
		logs = append(logs, ledger.Log{Source: l.Source, Epoch: l.Epoch, Partitions: l.Partitions})
	}
	merged, grown := k.state.MergeLogs(logs)
	if len(merged) > mostLogs {
		k.log.Warn("too many logs to notice at a start that one got more partitions", "logs", len(merged), "most", mostLogs)
		return nil, nil
	}
	for _, was := range grown {
		i := slices.IndexFunc(job.Logs, func(l driver.LogSize) bool { return l.Source == was.Source && l.Epoch == was.Epoch })
		if !job.KeysInLanes {
			return nil, &driver.AddedPartitionsError{Stage: job.LaneLocal, Log: job.Logs[i], Was: was.Partitions}
		}
		k.log.Warn("partitions were added; copies and pairs across the change are not found", "stage", job.LaneLocal, "log", was.Source,
			"were", was.Partitions, "are", job.Logs[i].Partitions)
	}
	return logs, nil
}

// configure says which topics are read, unless the ledger says so already. An instance of an older generation goes on
// writing, and leaves closing to the newer ones.
func (k *keeper) configure(ctx context.Context, topics []string, logs []ledger.Log) error {
	for {
		k.env.Lock(&k.mu)
		due, err := k.state.CheckConfig(k.opts.Generation, topics)
		last := k.state.Config.Generation
		k.mu.Unlock()
		if err != nil {
			if k.opts.Generation < last {
				k.log.Warn("a newer generation of this job runs: this instance closes no hours", "err", err)
				k.mayClose = false
				return nil
			}
			return fmt.Errorf("%w (Options.Generation)", err)
		}
		k.mayClose = true
		merged, _ := k.state.MergeLogs(logs)
		if !due && slices.Equal(merged, k.state.Config.Logs) {
			return nil
		}
		e := &ledger.Entry{Kind: ledger.KindConfig, Token: newToken(k.env)}
		e.Config = &ledger.Config{Generation: k.opts.Generation, Topics: topics, Logs: merged}
		id, err := k.append(ctx, e, nil)
		if err == nil {
			k.saveSnapshot(ctx, id)
			return nil
		}
		if !errors.Is(err, driver.ErrFenced) {
			return err
		}
		// Another instance was faster: look at what it wrote.
		if void, ok := errors.AsType[*ledger.VoidError](err); ok && void.Lane != "" {
			return err
		}
	}
}
