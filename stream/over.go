package stream

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// A lane is over once the end of all its partitions is committed. It will never have work again, so the engine frees its
// stages, its queue and its place in the output, and tells the source. Before it did, a followed folder in which 20 files a
// minute end kept some 130 KB of each file.

// mostEnds is how many ended partitions make a commit due. Until that commit their lanes keep their memory.
const mostEnds = 4096

// isOver reports whether a lane can never have work again. A lane with children is not over: where partitions are replaced
// by others, the source revokes the lane itself.
func isOver(at map[record.Partition]driver.Progress) bool {
	for _, g := range at {
		if !g.Ended || g.Pending.Len() > 0 || len(g.Children) > 0 {
			return false
		}
	}
	return len(at) > 0
}

// endLanes closes the lanes that have nothing new to commit, and tells the conductor.
func (w *worker[T]) endLanes(lanes []*lane[T]) error {
	var closed []*lane[T]
	for _, l := range lanes {
		if l.gone || l.core.Dirty() || l.core.Unfinished() > 0 {
			continue
		}
		closed = append(closed, l)
	}
	if err := w.remove(closed...); err != nil {
		return err
	}
	w.e.lanes.letGo(closed)
	return nil
}

// withoutOver takes out the lanes that were over before they were assigned, such as those of files that the last run has
// read. The engine opens nothing for them. The source still starts them, to check that they have really ended, and forgets
// them.
func withoutOver[T any](ctx context.Context, out driver.Output[T], lanes []driver.Assignment, at map[record.Partition]driver.Progress) (rest []driver.Assignment, over []starting[T], err error) {
	var names []string
	for _, a := range lanes {
		from := make(map[record.Partition]driver.Progress, len(a.Partitions))
		for _, p := range a.Partitions {
			from[p] = at[p]
		}
		if a.Moved || !isOver(from) {
			rest = append(rest, a)
			continue
		}
		names = append(names, a.Lane)
		over = append(over, starting[T]{start: driver.Start{Lane: a.Lane, From: from}})
	}
	if len(names) > 0 {
		if err := out.Release(ctx, names); err != nil {
			return nil, nil, fmt.Errorf("stream: release lanes: %w", err)
		}
	}
	return rest, over, nil
}
