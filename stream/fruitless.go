package stream

import (
	"fmt"

	"github.com/onceflow/onceflow/stream/record"
)

// fruitless watches for commits whose records are all dead letters, late or duplicates. Such a job once looked as healthy as
// any: it read, committed and had no lag. The lock of the statusBoard guards it.
type fruitless struct {
	commits int // in a row, of those that finished records
	counts  record.Counts
}

// Fewer are no news: a few copies or one bad record may be all that comes in an interval.
const (
	fruitlessCommits = 3
	fruitlessRecords = 100
)

// commit notes what a commit has finished, and returns what Status.Fruitless says after it.
func (f *fruitless) commit(counts record.Counts) error {
	all := counts.Sum()
	switch {
	case all == 0: // it only moved clocks
	case counts[Dead]+counts[Late]+counts[Duplicate] < all:
		*f = fruitless{}
	default:
		f.commits++
		f.counts.Add(counts)
	}
	dead, late, twice := f.counts[Dead], f.counts[Late], f.counts[Duplicate]
	if f.commits < fruitlessCommits || dead+late+twice < fruitlessRecords {
		return nil
	}
	return fmt.Errorf("stream: no record of the last %d commits has a row in its hour: %d are dead letters, %d are late, %d are duplicates",
		f.commits, dead, late, twice)
}
