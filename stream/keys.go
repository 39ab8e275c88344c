package stream

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/internal/mutant"
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
	stage string // that sees one lane at a time; "" watches nothing
	keys  Keys
	lane  string // one that there is

	// had are the partitions that the ledger knows and that no lane has yet: a record of today may be a copy of one in a
	// file of yesterday.
	had map[Partition]string
}

// watchKeys begins the watch.
func (e *engine[T]) watchKeys(ctx context.Context, info SourceInfo) error {
	e.watch = keyWatch{stage: e.pipe.laneLocal(), keys: info.Keys}
	if e.opts.KeysInLanes || mutant.On("T70") {
		e.watch.stage = ""
	}
	t, ok := e.out.(Teller)
	if !ok || e.watch.stage == "" || e.watch.keys != KeysAnywhere {
		return nil
	}
	known, err := t.Tell(ctx)
	if err != nil {
		return fmt.Errorf("which lanes the job had: %w", err)
	}
	e.watch.had = map[Partition]string{}
	for p, s := range known {
		if !s.Retired {
			e.watch.had[p] = s.Lane
		}
	}
	return nil
}

// see is told of all lanes that are assigned at once.
func (w *keyWatch) see(lanes []Assignment) error {
	if w.stage == "" || w.keys != KeysAnywhere {
		return nil
	}
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
