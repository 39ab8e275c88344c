package service

import (
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/record"
)

// Description is what the service says of the stream.
type Description struct {
	ARN, Name string
	Created   time.Time
	Retention time.Duration
	Auto      bool // the service spreads records as it likes, whatever their keys
}

// Epoch distinguishes a stream from an earlier one of its name.
func (d *Description) Epoch() string {
	return d.Created.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (d *Description) Partition(shard string) record.Partition {
	return record.Partition{Source: d.ARN, Epoch: d.Epoch(), ID: shard}
}

// Shard is one that the service lists.
type Shard struct {
	ID      string
	Parents []string // none, one, or two of a merge
	Keys    Range
	Closed  bool // nothing is written to it any more
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

// Lineage says who came from whom.
func (d *Description) Lineage(shards []Shard) []lineage.Shard {
	out := make([]lineage.Shard, len(shards))
	for i, sh := range shards {
		out[i].Partition = d.Partition(sh.ID)
		for _, p := range sh.Parents {
			out[i].Parents = append(out[i].Parents, d.Partition(p))
		}
	}
	return out
}

// Children are the shards that took the place of one.
func (d *Description) Children(id string, shards []Shard) (children []record.Partition) {
	for _, sh := range shards {
		if slices.Contains(sh.Parents, id) {
			children = append(children, d.Partition(sh.ID))
		}
	}
	return children
}

func isARN(s string) bool { return len(s) > 4 && s[:4] == "arn:" }
