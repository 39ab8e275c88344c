package stream

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// A lane whose partitions have all ended is over once that is committed. Nothing will ever be asked of it again, so the
// engine lets go of its stages, its queue and its place in the output, and tells the source. A followed folder in which 20
// files a minute end once kept some 130 KB of each.

// mostEnds is after how many ends of partitions a commit is due: until then their lanes keep what they have.
const mostEnds = 4096

// isOver reports whether nothing can come of a lane any more. One with children is left alone: where partitions are
// replaced by others, the source revokes lanes by itself.
func isOver(at map[record.Partition]driver.Progress) bool {
	for _, g := range at {
		if !g.Ended || g.Pending.Len() > 0 || len(g.Children) > 0 {
			return false
		}
	}
	return len(at) > 0
}

// endLanes closes those of the lanes that have nothing new to commit, and tells the conductor.
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

// withoutOver takes the lanes out that were over before they were assigned, as those of files that the last run has read:
// nothing is opened for them. The source begins them, since it may look whether they have really ended, and forgets them.
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
