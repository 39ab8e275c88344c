package stream

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Keys says where a source has the records that have equal keys. Stages that bring such records together, a join or a
// count, see one lane at a time.
type Keys uint8

const (
	// KeysAnywhere is a source that knows nothing of keys, such as files: equal ones may be in any two lanes.
	KeysAnywhere Keys = iota

	// KeysByCount is a source whose producers choose the partition by the key and the number of partitions, such as a Kafka
	// topic. When partitions are added, keys move to others.
	KeysByCount

	// KeysByRange is a source whose partitions have ranges of keys, and whose lanes follow when these are split and merged,
	// such as a Kinesis stream.
	KeysByRange
)

// LaneLocal is a stage that may bring together the records of one lane only: a join, a count, a local store of IDs. Run
// refuses it where equal keys may be in several lanes, unless Options.KeysInLanes is set.
type LaneLocal interface {
	// LaneLocal reports whether the stage is one, with its settings. It is called before Open.
	LaneLocal() bool
}

// ScatteredError says that records with equal keys may be in several lanes, and that a stage brings together only those of
// one. Run returns it before the second lane is read.
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

// LogSize is how many partitions a log has.
type LogSize struct {
	Source     string // Source and Epoch of its partitions
	Epoch      string
	Partitions int
}

// AddedPartitionsError says that a log has got more partitions, so that keys have moved between lanes, and that a stage
// brings together only the records of one. Run returns it at its start, or before a partition that is new is read.
type AddedPartitionsError struct {
	Stage string
	Log   LogSize // as it is now; Partitions is 0 if only some of the new ones are known
	Was   int     // how many partitions there were
}

func (e *AddedPartitionsError) Error() string {
	now := "more"
	if e.Log.Partitions > 0 {
		now = strconv.Itoa(e.Log.Partitions)
	}
	return fmt.Sprintf("log %s had %d partitions when the job began to read it and has %s now, so keys have moved to other partitions, and "+
		"stage %q sees one lane at a time: copies and pairs with one record from before the change and one from after it would go "+
		"unnoticed. Nothing was read of the new partitions. Begin a new job, under another name, behind the change; or take a shared store of "+
		"IDs; or set stream.Options.KeysInLanes for one start, if it does not matter that such copies and pairs pass until the "+
		"stage's window after the change is over", plain(e.Log.Source), e.Was, now, e.Stage)
}

// sizes counts partitions by their logs, in order.
func sizes(parts []Partition) (logs []LogSize) {
	for _, p := range slices.SortedFunc(slices.Values(parts), Partition.Compare) {
		if n := len(logs); n == 0 || logs[n-1].Source != p.Source || logs[n-1].Epoch != p.Epoch {
			logs = append(logs, LogSize{Source: p.Source, Epoch: p.Epoch})
		}
		logs[len(logs)-1].Partitions++
	}
	return logs
}

// laneLocal is the name of a stage that sees one lane at a time; "" is none.
func (p *Pipe[T]) laneLocal() string {
	for _, s := range p.stages {
		if s.local {
			return s.name
		}
	}
	return ""
}

// keyWatch looks whether equal keys can have come to several lanes. It is used by the conductor.
type keyWatch struct {
	stage  string // that sees one lane at a time; "" watches nothing
	keys   Keys
	accept bool // Options.KeysInLanes

	// Of a source without keys.
	lane string               // one that there was
	had  map[Partition]string // partitions that the ledger knows and no lane has yet: a copy may be in a file of yesterday

	// Of a source whose keys follow the number of partitions.
	known map[Partition]bool
}

// countLogs asks how many partitions there are where that decides which lane has a key, for Job.
func (e *engine[T]) countLogs(ctx context.Context, info SourceInfo) ([]LogSize, error) {
	e.watch = keyWatch{stage: e.pipe.laneLocal(), keys: info.Keys, accept: e.opts.KeysInLanes}
	if e.watch.stage == "" || info.Keys != KeysByCount {
		return nil, nil
	}
	parts, err := e.src.Partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the partitions: %w", err)
	}
	e.watch.know(parts)
	e.wantKeys = len(parts) > 1
	return sizes(parts), nil
}

func (w *keyWatch) know(parts []Partition) {
	if w.known == nil {
		w.known = map[Partition]bool{}
	}
	for _, p := range parts {
		w.known[p] = true
	}
}

// watchKeys begins the watch.
func (e *engine[T]) watchKeys(ctx context.Context) error {
	w := &e.watch
	t, ok := e.out.(Teller)
	if !ok || w.stage == "" || w.accept || w.keys != KeysAnywhere {
		return nil
	}
	known, err := t.Tell(ctx)
	if err != nil {
		return fmt.Errorf("which lanes the job had: %w", err)
	}
	w.had = map[Partition]string{}
	for p, s := range known {
		if !s.Retired {
			w.had[p] = s.Lane
		}
	}
	return nil
}

// seeLanes is told of all lanes that are assigned at once.
func (e *engine[T]) seeLanes(ctx context.Context, lanes []Assignment) error {
	w := &e.watch
	switch {
	case w.stage == "":
	case w.keys == KeysByCount:
		return e.seeAdded(ctx, lanes)
	case w.keys == KeysAnywhere && !w.accept:
		return w.several(lanes)
	}
	return nil
}

// seeAdded refuses partitions that were added to a log since the job knows it. A log that is new may have any.
func (e *engine[T]) seeAdded(ctx context.Context, lanes []Assignment) error {
	w := &e.watch
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
				err := &AddedPartitionsError{Stage: w.stage, Log: LogSize{Source: p.Source, Epoch: p.Epoch}, Was: was}
				if !w.accept {
					return err
				}
				e.opts.Logger.Warn("partitions were added; copies and pairs across the change are not found", "stage", w.stage, "log", p.Source, "were", was)
			}
			parts, err := e.src.Partitions(ctx)
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
func (w *keyWatch) several(lanes []Assignment) error {
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

// seeKeys warns, once, of records without a key where keys choose the partition: whoever wrote them spreads equal IDs over
// all lanes. It looks at one record of a batch. The poller calls it.
func (e *engine[T]) seeKeys(b *Batch) {
	if !e.wantKeys || len(b.Records) == 0 || b.Records[0].Key != nil {
		return
	}
	e.wantKeys = false
	e.opts.Logger.Warn("records have no key, so their producers may spread equal IDs over all partitions; the stage sees one lane at a time",
		"stage", e.watch.stage, "partition", b.Records[0].Partition.String())
}
