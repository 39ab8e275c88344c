package stream

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// ScatteredError says that records with equal keys may be in several lanes, while a stage brings together those of one lane
// only. Run returns it before it reads the second lane.
type ScatteredError struct {
	Stage string
	Lanes [2]string // two lanes that there are
}

func (e *ScatteredError) Error() string {
	return fmt.Sprintf("stage %q sees one lane at a time, and there are several, such as %q and %q: copies and pairs with one record in "+
		"each would go unnoticed. Nothing of the second was read. Put what belongs together into one lane (for files: "+
		"file.Options.Lane), take a shared store of IDs, or set stream.Options.KeysInLanes if equal keys never are in two lanes",
		e.Stage, e.Lanes[0], e.Lanes[1])
}

// sizes counts partitions by their logs, in order.
func sizes(parts []record.Partition) (logs []driver.LogSize) {
	for _, p := range slices.SortedFunc(slices.Values(parts), record.Partition.Compare) {
		if n := len(logs); n == 0 || logs[n-1].Source != p.Source || logs[n-1].Epoch != p.Epoch {
			logs = append(logs, driver.LogSize{Source: p.Source, Epoch: p.Epoch})
		}
		logs[len(logs)-1].Partitions++
	}
	return logs
}

// laneLocal returns the name of a stage that sees one lane at a time; "" if there is none.
func (p *Pipe[T]) laneLocal() string {
	for _, s := range p.chain.Stages {
		if s.LaneLocal {
			return s.Name
		}
	}
	return ""
}

// keyWatch checks whether equal keys can be in several lanes. The conductor uses it.
type keyWatch struct {
	src    driver.Source
	log    *slog.Logger
	stage  string // that sees one lane at a time; "" watches nothing
	keys   driver.Keys
	accept bool // Options.KeysInLanes

	// Of a source without keys.
	lane string                      // one that there was
	had  map[record.Partition]string // lanes of partitions that only former runs read: a copy may be in a file of yesterday

	// Of a source whose keys follow the number of partitions.
	known    map[record.Partition]bool
	wantKeys bool // warn of records without a key; the poller's, once it runs
}

// countLogs counts the partitions of each log for Job.Logs. It does so only if that number decides which lane has a key.
func (w *keyWatch) countLogs(ctx context.Context) ([]driver.LogSize, error) {
	if w.stage == "" || w.keys != driver.KeysByCount {
		return nil, nil
	}
	parts, err := w.src.Partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the partitions: %w", err)
	}
	w.know(parts)
	w.wantKeys = len(parts) > 1
	return sizes(parts), nil
}

func (w *keyWatch) know(parts []record.Partition) {
	if w.known == nil {
		w.known = map[record.Partition]bool{}
	}
	for _, p := range parts {
		w.known[p] = true
	}
}

// begin reads from the ledger which lanes former runs had. tell may be nil.
func (w *keyWatch) begin(ctx context.Context, tell func(context.Context) (map[record.Partition]driver.Standing, error)) error {
	if tell == nil || w.stage == "" || w.accept || w.keys != driver.KeysAnywhere {
		return nil
	}
	known, err := tell(ctx)
	if err != nil {
		return fmt.Errorf("which lanes the job had: %w", err)
	}
	w.had = map[record.Partition]string{}
	for p, s := range known {
		if !s.Retired {
			w.had[p] = s.Lane
		}
	}
	return nil
}

// see checks lanes that are assigned together.
func (w *keyWatch) see(ctx context.Context, lanes []driver.Assignment) error {
	switch {
	case w.stage == "":
	case w.keys == driver.KeysByCount:
		return w.added(ctx, lanes)
	case w.keys == driver.KeysAnywhere && !w.accept:
		return w.several(lanes)
	}
	return nil
}

// added refuses partitions that were added to a known log. A new log may have any number.
func (w *keyWatch) added(ctx context.Context, lanes []driver.Assignment) error {
	for _, a := range lanes {
		for _, p := range a.Partitions {
			if w.known[p] {
				continue
			}
			was := 0
			for q := range w.known {
				if q.Source == p.Source && q.Epoch == p.Epoch {
					was++
				}
			}
			if was > 0 {
				err := &driver.AddedPartitionsError{Stage: w.stage, Log: driver.LogSize{Source: p.Source, Epoch: p.Epoch}, Was: was}
				if !w.accept {
					return err
				}
				w.log.Warn("partitions were added; copies and pairs across the change are not found", "stage", w.stage, "log", p.Source, "were", was)
			}
			parts, err := w.src.Partitions(ctx)
			if err != nil {
				return fmt.Errorf("ask for the partitions: %w", err)
			}
			w.know(parts)
			w.known[p] = true
		}
	}
	return nil
}

// several refuses a second lane.
func (w *keyWatch) several(lanes []driver.Assignment) error {
	for _, a := range lanes {
		for _, p := range a.Partitions {
			delete(w.had, p) // it may have been in another lane: from now on it is in this one
		}
		if err := w.one(a.Lane); err != nil {
			return err
		}
	}
	for _, lane := range w.had {
		if err := w.one(lane); err != nil {
			return err
		}
	}
	w.had = nil
	return nil
}

// one is told of a lane that there is.
func (w *keyWatch) one(lane string) error {
	switch w.lane {
	case lane:
	case "":
		w.lane = lane
	default:
		return &ScatteredError{w.stage, [2]string{min(w.lane, lane), max(w.lane, lane)}}
	}
	return nil
}

// unkeyed warns, once, of records without a key where the key chooses the partition: their writer spreads equal IDs over
// all lanes. It looks at one record of each batch. The poller calls it.
func (w *keyWatch) unkeyed(b *driver.Batch) {
	if !w.wantKeys || len(b.Records) == 0 || b.Records[0].Key != nil {
		return
	}
	w.wantKeys = false
	w.log.Warn("records have no key, so their producers may spread equal IDs over all partitions; the stage sees one lane at a time",
		"stage", w.stage, "partition", b.Records[0].Partition.String())
}
