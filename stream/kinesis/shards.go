package kinesis

import (
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/record"
)

// description is what the service says of the stream.
type description struct {
	arn, name string
	created   time.Time
	retention time.Duration
	auto      bool // the service spreads records as it likes, whatever their keys
}

// epoch is what makes a stream another one than its namesake before it.
func (d *description) epoch() string {
	return d.created.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (d *description) partition(shard string) record.Partition {
	return record.Partition{Source: d.arn, Epoch: d.epoch(), ID: shard}
}

// shard is one that the service lists.
type shard struct {
	id      string
	parents []string // none, one, or two of a merge
	keys    hashRange
	closed  bool // nothing is written to it any more
}

func compareIDs(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// lineageOf says who came from whom.
func (d *description) lineageOf(shards []shard) []lineage.Shard {
	out := make([]lineage.Shard, len(shards))
	for i, sh := range shards {
		out[i].Partition = d.partition(sh.id)
		for _, p := range sh.parents {
			out[i].Parents = append(out[i].Parents, d.partition(p))
		}
	}
	return out
}

// childrenOf are the shards that took the place of one.
func (d *description) childrenOf(id string, shards []shard) (children []record.Partition) {
	for _, sh := range shards {
		if slices.Contains(sh.parents, id) {
			children = append(children, d.partition(sh.id))
		}
	}
	return children
}

func isARN(s string) bool { return len(s) > 4 && s[:4] == "arn:" }
