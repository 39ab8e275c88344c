package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/hours"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/merge"
	"github.com/onceflow/onceflow/sink/internal/place"
	transactions "github.com/onceflow/onceflow/sink/internal/txn"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
	"github.com/onceflow/onceflow/stream/driver"
)

// rooms are the parts of an attached Sink that do not depend on the type of its events. They may be used as driver.Output
// says.
type rooms struct {
	journal   *journal.Journal
	publisher *upkeep.Publisher
	lanes     *transactions.Lanes
	house     *housekeeper
}

// output is what the flows of a Sink write.
type output struct {
	names  []string // sorted
	known  merge.Known
	merges bool // one of them does
}

// attach opens the ledger, which it begins if there is none, and the rooms. seal is nil if hours are not to be closed.
func attach(ctx context.Context, p *place.Place, o *Options, flows output, job *driver.Job, seal *SealOptions) (*rooms, error) {
	if err := errors.Join(seal.validate(p.Folder.Job, o), p.CheckInput(job.Source)); err != nil {
		return nil, err
	}
	if flows.merges && seal == nil {
		return nil, errors.New("a flow has Merge, and hours are not sealed: its files would never be made. Use seal.Hourly")
	}
	j, err := p.Ledger(ctx, job, seal != nil)
	if err != nil {
		return nil, err
	}
	logs, err := watched(j, job)
	if err != nil {
		return nil, err
	}
	mayClose, err := configure(ctx, j, &ledger.Config{Generation: o.Generation, Topics: job.Source.Topics, Sources: job.Source.Named(), Logs: logs})
	if err != nil {
		return nil, err
	}
	publisher := upkeep.NewPublisher(j)
	lanes := transactions.NewLanes(j, publisher, transactions.Options{Lateness: seal.lateness(), FileBytes: o.FileBytes, Budget: job.Budget})
	house := &housekeeper{
		journal: j, clock: p.Clock, lateness: seal.lateness(),
		leftovers: upkeep.NewLeftovers(j, publisher, lanes.Holds), sweeper: upkeep.NewSweeper(j), packs: upkeep.NewPacks(j, p.Clock, o.Keep),
	}
	if mayClose {
		house.forgetter = upkeep.NewForgetter(j, publisher, lanes.Holds, o.Generation)
	}
	if mayClose && seal != nil {
		layout := o.layout(p.Folder.Job, p.Folder.Objects.Root)
		merger := merge.New(j, layout, flows.known, job.Budget)
		house.closer = hours.NewCloser(j, publisher, house.leftovers, p.Clock, merger, seal.filled(o, layout, flows.names), job.MayEnd)
		house.sweeper.Merging(house.closer.Merging)
	}
	return &rooms{j, publisher, lanes, house}, nil
}

// mostLogs bounds the logs whose number of partitions the ledger keeps, so that they fit into an entry.
const mostLogs = 300

// watched returns the logs whose number of partitions the ledger must keep. It refuses logs that have grown since the job
// began to read them, since keys have moved between lanes.
func watched(j *journal.Journal, job *driver.Job) (logs []ledger.Log, err error) {
	for _, l := range job.Logs {
		logs = append(logs, ledger.Log{Source: l.Source, Epoch: l.Epoch, Partitions: l.Partitions})
	}
	var merged, grown []ledger.Log
	j.Look(func(s *ledger.State) { merged, grown = s.Config.MergeLogs(logs) })
	if len(merged) > mostLogs {
		j.Log.Warn("too many logs to notice at a start that one got more partitions", "logs", len(merged), "most", mostLogs)
		return nil, nil
	}
	for _, was := range grown {
		i := slices.IndexFunc(job.Logs, func(l driver.LogSize) bool { return l.Source == was.Source && l.Epoch == was.Epoch })
		if !job.KeysInLanes {
			return nil, &driver.AddedPartitionsError{Stage: job.LaneLocal, Log: job.Logs[i], Was: was.Partitions}
		}
		j.Log.Warn("partitions were added; copies and pairs across the change are not found", "stage", job.LaneLocal, "log", was.Source,
			"were", was.Partitions, "are", job.Logs[i].Partitions)
	}
	return logs, nil
}

// configure appends a Config that says what is read, unless the ledger has it. It reports whether this instance may close
// hours. An instance of an older generation goes on writing and leaves closing to the newer ones.
func configure(ctx context.Context, j *journal.Journal, here *ledger.Config) (mayClose bool, err error) {
	for {
		var due bool
		var err error
		next := *here
		var last uint64
		j.Look(func(s *ledger.State) {
			due, err = s.Config.CheckConfig(here)
			last = s.Config.Generation
			next.Logs, _ = s.Config.MergeLogs(here.Logs)
			due = due || !slices.Equal(next.Logs, s.Config.Logs)
		})
		if err != nil {
			if here.Generation < last {
				j.Log.Warn("a newer generation of this job runs: this instance closes no hours", "err", err)
				return false, nil
			}
			return false, fmt.Errorf("%w (Options.Generation)", err)
		}
		if !due {
			return true, nil
		}
		if _, err = j.Add(ctx, &ledger.Entry{Kind: ledger.KindConfig, Token: journal.NewToken(j.Objects.Env), Config: &next}, nil); err == nil {
			return true, nil
		}
		if !errors.Is(err, driver.ErrFenced) {
			return false, err
		}
		// Another instance was faster: look at what it wrote.
		if void, ok := errors.AsType[*ledger.VoidError](err); ok && void.Lane != "" {
			return false, err
		}
	}
}
